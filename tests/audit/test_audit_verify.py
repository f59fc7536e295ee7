"""The chains of commits: a row that was changed, removed or moved is found and named."""

from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from audit import selectors
from audit.models import SyncCommit, SyncEvent
from audit.retention_role import retention
from audit.verification import Fault, verify
from sessions.services import sessions
from synckairos import commit_chain
from synckairos.engine import commands as cmd
from synckairos.engine.units import SyncMode
from synckairos.redis.procedures import run_blocking
from tests.outboxes import ALICE, History, creation, drained, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _may_change():
    """Whoever changes rows on PostgreSQL has to get past the trigger first."""
    with retention():
        yield


@pytest.fixture
def session(real):
    """The row of a real session with persons, reasons and several commits, whose chain is right."""
    create = cmd.Create.of(
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=tuple(cmd.Seat(uuid4(), 60_000, user_id=name) for name in ("ann", "bob")),
        metadata={"event": "City Open"},
    )
    state = real(create)
    session_id = state.session_id
    for command in [cmd.Start(), cmd.Switch(), cmd.Switch(), cmd.Pause()]:
        real(session_id, command)
    real(session_id, cmd.AdjustTime(state.participants[0].participant_id, adjust_ms=5_000, reason="The hall was dark."))
    real(session_id, cmd.AssignSeat(state.participants[1].participant_id, "carol"))
    drained()
    row = selectors.session_get(session_id)
    result = verify(row)
    assert (result.events, result.unchained, result.finding) == (7, 0, None)
    return row


def found(session):
    finding = verify(session).finding
    return None if finding is None else (finding.fault, finding.version)


def event(session, sequence):
    return SyncEvent.objects.filter(session=session, sequence=sequence)


def commit(session, version):
    return SyncCommit.objects.filter(session=session, version=version)


def test_a_commit_has_a_row_with_who_caused_it_and_by_which_door(session):
    rows = list(SyncCommit.objects.filter(session=session).order_by("version"))
    assert [(row.since_version, row.version) for row in rows] == [(n - 1, n) for n in range(1, 8)]
    assert {row.principal for row in rows} == {"alice"}
    assert [row.role for row in rows] == ["owner"] + ["staff"] * 6
    assert [row.door for row in rows] == ["command"] * 7
    assert [bytes(one.previous) for one in rows] == [b""] + [bytes(one.digest) for one in rows[:-1]]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "session.paused"},
        {"data": {}},
        {"version": F("version") + 1},
        {"principal": "mallory"},
        {"request_id": "r-2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_event_is_found(session, change):
    event(session, 3).update(**change)
    assert found(session) == (Fault.ALTERED, 3)


@pytest.mark.parametrize(
    "change",
    [{"principal": "mallory"}, {"role": "participant"}, {"door": "socket"}, {"address": b"x" * 16}, {"salts": b""}],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_commit_is_found(session, change):
    commit(session, 4).update(**change)
    assert found(session) == (Fault.ALTERED, 4)


def test_one_flipped_byte_is_found_wherever_it_is(session):
    body = bytes(commit(session, 2).get().body)
    for place in range(0, len(body), 7):
        flipped = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        commit(session, 2).update(body=flipped)
        assert found(session)[0] is Fault.ALTERED
    commit(session, 2).update(body=body)
    assert found(session) is None


def test_an_event_that_was_removed_is_found(session):
    event(session, 3).delete()
    assert found(session) == (Fault.MISSING, 3)


def test_a_commit_that_was_removed_with_its_events_is_found(session):
    event(session, 4).delete()
    commit(session, 4).delete()
    assert found(session) == (Fault.MISSING, 5)


def test_the_last_commit_removed_with_its_events_is_found(session):
    event(session, 7).delete()
    commit(session, 7).delete()
    assert found(session) == (Fault.TRUNCATED, 6)


def test_events_in_each_others_places_are_found(session):
    event(session, 3).update(sequence=100)
    event(session, 4).update(sequence=3, commit_version=3)
    event(session, 100).update(sequence=4, commit_version=4)
    assert found(session)[1] == 3


def test_values_about_persons_are_bound_though_they_are_not_in_the_chain(session):
    [created] = event(session, 1)
    body = bytes(commit(session, 1).get().body)
    for value in (b"ann", b"bob", b"alice", b"City Open"):
        assert value not in body
    created.data["participants"][0]["user_id"] = "mallory"
    created.save()
    assert found(session) == (Fault.ALTERED, 1)


def test_a_value_that_was_erased_leaves_the_chain_true(session):
    """A reason gives place to its commitment, and its salt to zeros: nobody can find the reason from what is left."""
    [adjusted], [row] = event(session, 6), commit(session, 6)
    salts = bytes(row.salts)
    size = commit_chain.SALT_BYTES
    adjusted.data["reason"] = commit_chain.commitment_text(salts[size:], adjusted.data["reason"])
    adjusted.save()
    commit(session, 6).update(salts=salts[:size] + commit_chain.ERASED)
    assert found(session) is None
    adjusted.data["reason"] = commit_chain.commitment_text(b"x" * size, "another")
    adjusted.save()
    assert found(session) == (Fault.ALTERED, 6)


def test_the_digest_of_the_state_is_that_of_the_last_commit(session):
    state = run_blocking(sessions.get(session.session_id, ALICE.principal)).state
    assert bytes(commit(session, 7).get().digest) == state.digest


def test_rows_of_releases_without_a_chain_are_told_apart():
    history = History(creation()).played(4)
    post(*history.entries)
    drained()
    result = verify(selectors.session_get(history.state.session_id))
    assert (result.events, result.unchained, result.finding) == (0, 4, None)


def test_the_command_names_what_is_wrong_and_ends_with_1(session, capsys):
    call_command("audit_verify", str(session.session_id))
    assert (
        "events verified: 7; of releases without a chain: 0; "
        "commits that wait in the outbox: 0; removed meanwhile: 0; sessions with faults: 0" in capsys.readouterr().out
    )
    event(session, 3).update(data={})
    with pytest.raises(SystemExit) as ended:
        call_command("audit_verify")
    assert ended.value.code == 1
    assert f"{session.session_id} ({session.epoch}) version 3: altered: event 3" in capsys.readouterr().out


def test_the_command_refuses_a_session_that_the_audit_does_not_have():
    with pytest.raises(CommandError, match="no such session"):
        call_command("audit_verify", str(uuid4()))
