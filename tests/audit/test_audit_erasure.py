"""The erasure of a person from the rows of the audit: the values are gone, the chain and the history stay true."""

from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command

from audit import selectors
from audit.erasure import Erased, UnderHold, erase
from audit.models import SyncCommit, SyncEvent, SyncLabel, SyncParticipant, SyncSession
from audit.personal_values import Person, sessions_of
from audit.verification import verify
from sessions.services.outcome import Caller
from synckairos import commit_chain
from synckairos.auth.principal import Principal
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from tests.outboxes import ALICE, History, creation, drained, full_history, post

pytestmark = pytest.mark.django_db
BOB = "bob-å@example.com"
CALLER = Caller(Principal(BOB, is_staff=True, expires_s=2**40), request_id="r-2")


def game(owner="alice", users=("ann", BOB), **fields):
    return cmd.Create.of(
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=tuple(cmd.Seat(uuid4(), 60_000, user_id=name) for name in users),
        access=Access(owner),
        **fields,
    )


def row_of(state):
    drained()
    return selectors.session_get(state.session_id)


def holders(value):
    """The tables and columns that have a value, in whatever form."""
    found = set()
    forms = [value, value.encode().hex(), ascii(value)[1:-1]]
    for model in apps.get_models():
        for row in model.objects.values():
            for name, cell in row.items():
                text = bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell)
                if any(form in text for form in forms):
                    found.add((model._meta.model_name, name))
    return found


def checked(session):
    """Verify the chain, and return the replayed state."""
    assert verify(session).finding is None
    return selectors.replayed_state(session)


def test_a_player_is_erased_and_chain_and_history_stay_true(real):
    state = real(game())
    session_id = state.session_id
    for command in (cmd.Start(), cmd.Switch(), cmd.AdjustTime(state.participants[1].participant_id, adjust_ms=5)):
        state = real(session_id, command, CALLER)
    session = row_of(state)
    assert holders(BOB) == {
        *(("syncevent", "data"), ("syncevent", "principal")),
        *(("synccommit", "principal"), ("syncparticipant", "user_id")),
    }
    before, digests = checked(session), list(SyncCommit.objects.order_by("pk").values_list("digest", "body"))
    assert sessions_of(Person(BOB)) == [session_id]
    assert erase(session_id, Person(BOB)) == Erased(
        1, 1 + 3 + 3 + 1
    )  # seat; principals of events, commits; participant
    assert holders(BOB) == set()
    assert list(SyncCommit.objects.order_by("pk").values_list("digest", "body")) == digests
    after = checked(session)
    assert after.participants[0].user_id == "ann"
    assert after.participants[1].user_id.startswith(commit_chain.COMMITMENT)
    assert SyncParticipant.objects.get(participant_index=1).user_id == after.participants[1].user_id
    assert (after.version, after.digest, after.cycle) == (before.version, before.digest, before.cycle)
    assert erase(session_id, Person(BOB)) == Erased(0, 0)
    assert sessions_of(Person(BOB)) == []


def test_an_owner_goes_with_the_metadata_of_the_session(real):
    state = real(game(BOB, metadata={"event": "City Open"}), caller=CALLER)
    session = row_of(state)
    erase(state.session_id, Person(BOB))
    assert holders(BOB) == holders("City Open") == set()
    after = checked(session)
    session.refresh_from_db()
    assert set(after.config.metadata) == {"commitment"}
    assert after.access.owner.startswith(commit_chain.COMMITMENT)
    assert SyncEvent.objects.get(sequence=1).principal == session.created_by


def test_a_seat_that_was_given_to_another_is_found_and_erased(real):
    """No index leads there: the row of the participant has the other's name."""
    state = real(game())
    real(state.session_id, cmd.AssignSeat(state.participants[1].participant_id, "carol", "Ill since Monday."))
    session = row_of(state)
    assert sessions_of(Person(BOB)) == [state.session_id]
    erase(state.session_id, Person(BOB))
    assert holders(BOB) == holders("Ill since Monday.") == set()
    assert [p.user_id for p in checked(session).participants] == ["ann", "carol"]


@pytest.mark.parametrize(
    ("seat", "by", "reason", "is_erased"),
    [
        (1, ALICE, "The hall was dark.", True),
        (0, CALLER, "The hall was dark.", True),
        (0, ALICE, f"Because of {BOB}.", True),
        (0, ALICE, "The hall was dark.", False),
        (0, ALICE, f"Because of {BOB}2.", False),
    ],
    ids=["about", "by", "mentions", "of-another", "mentions-another"],
)
def test_reasons_by_about_and_with_the_person_are_erased(real, seat, by, reason, is_erased):
    state = real(game())
    real(state.session_id, cmd.AdjustTime(state.participants[seat].participant_id, adjust_ms=5, reason=reason), by)
    session = row_of(state)
    erase(state.session_id, Person(BOB))
    assert (reason not in str(SyncEvent.objects.get(sequence=2).data)) == is_erased
    checked(session)


def test_a_reason_about_a_former_holder_of_the_seat_is_kept_for_the_new_one(real):
    state = real(game())
    seat = state.participants[1].participant_id
    real(state.session_id, cmd.AssignSeat(seat, "carol"))
    real(state.session_id, cmd.AdjustTime(seat, adjust_ms=5, reason="Her clock stood still."))
    session = row_of(state)
    erase(state.session_id, Person(BOB))
    assert holders("Her clock stood still.")
    checked(session)


@pytest.mark.parametrize(
    ("keys", "metadata", "is_erased"),
    [
        (("*",), {"white": BOB}, True),
        (("*",), {"teams": [{"captain": f"Mr {BOB}"}]}, True),
        (("*",), {"points": {BOB: 1}}, True),
        (("*",), {"white": f"{BOB}by"}, False),
        (("white",), {"players": {"white": BOB}}, True),
        (("white",), {"club": f"{BOB} & friends"}, False),
        ((), {"white": BOB}, False),
    ],
    ids=["value", "nested", "key", "another", "chosen", "not-chosen", "none"],
)
def test_metadata_of_others_are_erased_when_they_name_the_person(real, configure, keys, metadata, is_erased):
    configure(personal_metadata=keys)
    state = real(game(users=("ann", "carol"), metadata=metadata))
    session = row_of(state)
    erase(state.session_id, Person(BOB))
    assert (set(checked(session).config.metadata) == {"commitment"}) == is_erased


@pytest.mark.parametrize("name", ["chess", "42", "a-b"])
def test_a_name_that_can_be_any_word_counts_only_where_the_person_has_a_part(real, name):
    metadata = {"event": f"the {name} open"}
    with_part, without = real(game(users=("ann", name), metadata=metadata)), real(game(metadata=metadata))
    for state in (with_part, without):
        real(state.session_id, cmd.AdjustTime(state.participants[0].participant_id, adjust_ms=5, reason=f"of {name}"))
    drained()
    for state in (with_part, without):
        erase(state.session_id, Person(name))
    kept = [
        [
            f"the {name} open" in str(event.data) or f"of {name}" in str(event.data)
            for event in SyncEvent.objects.filter(session__session_id=state.session_id)
        ]
        for state in (with_part, without)
    ]
    assert kept == [[False, False], [True, True]]


def test_labels_of_all_epochs_are_erased_with_the_metadata_that_they_repeat(real, configure):
    """Those of a restored epoch too, whose events have no metadata; those of another session stay."""
    configure(metadata_index=("white",))
    restored, other = real(game(metadata={"white": BOB})), real(game(metadata={"white": "carol"}))
    drained()
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    assert list(SyncLabel.objects.filter(value=BOB).values_list("session__parent_epoch", flat=True).order_by("pk")) == [
        *("", restored.epoch)
    ]
    for state in (restored, other):
        erase(state.session_id, Person(BOB))
    assert set(SyncLabel.objects.values_list("session__session_id", "value")) == {(other.session_id, "carol")}
    assert holders(BOB) == set()


def test_others_are_erased_later_from_the_session(real):
    state = real(game("alice"))
    real(state.session_id, cmd.Start(), CALLER)
    session = row_of(state)
    for name in (BOB, "ann", "alice"):
        erase(state.session_id, Person(name))
        checked(session)
    assert holders(BOB) == holders("ann") == holders("alice") == set()


def test_a_session_under_legal_hold_is_left_alone(real):
    state = real(game())
    session = row_of(state)
    SyncSession.objects.update(legal_hold=True)
    with pytest.raises(UnderHold):
        erase(state.session_id, Person(BOB))
    assert holders(BOB)
    assert erase(state.session_id, Person("nobody")) == Erased(0, 0)
    checked(session)


def test_histories_of_releases_without_a_chain_are_erased_too():
    history = full_history()
    seat = history.state.participants[0].participant_id
    history.do(cmd.AssignSeat(seat, "caroline-1750", "a comet"), principal="wilhelm-1738")
    history.do(cmd.AssignSeat(seat, "caroline-1750", "no comet"), principal="wilhelm-1738")
    post(*history.entries)
    session = row_of(history.state)
    for name in ("caroline-1750", "wilhelm-1738"):
        erase(history.state.session_id, Person(name))
        assert holders(name) == set()
        checked(session)
    assert holders("a comet") == set()
    assert SyncParticipant.objects.filter(user_id="u2").exists()


def test_all_epochs_of_a_session_are_erased():
    first = History(creation(), at=1_790_000_000_000)
    second = History(creation(), session_id=first.state.session_id, epoch="00000002", at=1_790_000_100_000)
    post(*first.entries, *second.entries)
    drained()
    assert erase(first.state.session_id, Person("u1")).sessions == 2
    assert not SyncParticipant.objects.filter(user_id="u1").exists()
    SyncSession.objects.filter(epoch="00000001").update(legal_hold=True)
    with pytest.raises(UnderHold):
        erase(first.state.session_id, Person("u0"))
    assert SyncParticipant.objects.filter(user_id="u0").count() == 2
