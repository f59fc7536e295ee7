"""Snapshots of commits that are made in the midst of an erasure: those with the person go, all others stay."""

import pytest
from django.core.management import CommandError, call_command

from audit import past_states, selectors
from audit.models import SyncErasure, SyncSnapshot
from sessions.erasure import erasing
from sessions.services import commits
from synckairos import stored_state
from synckairos.engine import commands as cmd
from tests.outboxes import drained
from tests.sessions.erasure.test_erase_person import BOB, BOBBY, do, erase, game, made, stored, traces, verified

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Each commit but the first has a snapshot."""
    monkeypatch.setattr(commits, "SNAPSHOT_EVERY", 1)


@pytest.fixture
def in_the_midst(monkeypatch):
    """`in_the_midst(work)` does something after the rows of the next erasure were erased, and before the store is."""

    def plan(work):
        empty = erasing._empty_store

        def working(*arguments):
            monkeypatch.setattr(erasing, "_empty_store", empty)
            work()
            empty(*arguments)

        monkeypatch.setattr(erasing, "_empty_store", working)

    return plan


def kept(state):
    """The versions and metadata of the snapshots of a session."""
    rows = SyncSnapshot.objects.filter(session__session_id=state.session_id).order_by("version")
    return [(row.version, stored_state.decode_state(bytes(row.state)).config.metadata) for row in rows]


def started(*users, **fields):
    return do(made(game(*users, **fields)), cmd.Start())


@pytest.mark.parametrize("is_drained", [True, False], ids=["drained", "waiting"])
def test_a_snapshot_with_metadata_of_the_person_is_deleted(in_the_midst, is_drained):
    live = started("ann", BOB, metadata={"white": BOB})

    def play():
        do(live, cmd.Switch(), cmd.Switch())
        if is_drained:
            drained()
        assert BOB in str(stored(live.session_id).config.metadata)

    in_the_midst(play)
    erase()
    assert traces() == set()
    assert kept(live) == []
    verified()
    do(live, cmd.Switch())
    drained()
    row = selectors.session_get(live.session_id)
    [(_, metadata)] = kept(live)
    assert set(metadata) == {"commitment"}
    before = past_states.state_after(row, 3)
    assert (before.sequence, before.config.metadata) == (3, metadata)


def test_snapshots_of_others_stay(in_the_midst):
    """Of one whose name begins alike, and of a session that was made in the midst without the person."""
    similar = started("ann", BOBBY, metadata={"white": BOBBY})
    in_the_midst(lambda: do(similar, cmd.Switch()))
    erase()
    assert [version for version, _ in kept(similar)] == [similar.version, similar.version + 1]


def test_a_name_that_can_be_any_word_counts_only_where_the_person_has_a_part(in_the_midst):
    metadata = {"event": "the chess open"}
    with_part, without = started("ann", "chess", metadata=metadata), started("ann", "carol", metadata=metadata)
    in_the_midst(lambda: [do(state, cmd.Switch()) for state in (with_part, without)])
    erase(name="chess")
    assert kept(with_part) == []
    assert kept(without) == [(without.version, metadata), (without.version + 1, metadata)]
    verified()


def test_a_snapshot_that_cannot_be_read_and_has_the_user_id_is_deleted():
    live = started("ann", "carol")
    drained()
    SyncSnapshot.objects.update(state=f"rubbish {BOB}".encode())
    erase()
    assert kept(live) == []


def test_an_erasure_that_was_interrupted_before_they_were_deleted_is_completed_by_the_next(in_the_midst, monkeypatch):
    live = started("ann", BOB, metadata={"white": BOB})
    with monkeypatch.context() as broken:
        in_the_midst(lambda: do(live, cmd.Switch()))
        broken.setattr(erasing, "_erase_late_snapshots", interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase()
    assert traces() == {"syncsnapshot.state"}
    erase()
    assert traces() == set()
    assert SyncErasure.objects.get().completed_at is not None


def interrupted(*_arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["before", "in the midst"])
def test_snapshots_under_legal_hold_stay(in_the_midst, capsys, when):
    live = started("ann", BOB, metadata={"white": BOB})
    drained()

    def hold():
        call_command("audit_hold", str(live.session_id), "--reason", "appeal", "--by", "arbiter")

    if when == "before":
        hold()
    in_the_midst(lambda: (do(live, cmd.Switch()), when == "before" or hold()))
    with pytest.raises(CommandError, match="Not everything"):
        erase()
    assert f"legal hold: {live.session_id}" in capsys.readouterr().out
    assert BOB in str(kept(live)[-1])
    call_command("audit_hold", str(live.session_id), "--release", "--reason", "decided", "--by", "arbiter")
    erase()
    assert traces() == set()
