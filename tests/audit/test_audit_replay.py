"""The tables say what happened, and from them the engine finds the state again."""

from uuid import uuid4

import pytest

from audit import selectors
from audit.models import SyncEvent, SyncParticipant, SyncSession
from audit.retention_role import retention
from sessions.services import sessions
from synckairos.auth.principal import SYSTEM
from synckairos.engine import commands as cmd
from synckairos.engine.units import SyncMode
from synckairos.instants import as_datetime, from_datetime
from synckairos.redis.procedures import run_blocking
from tests.outboxes import ALICE, History, creation, drained, full_history, post, tables, waiting

pytestmark = pytest.mark.django_db
NOT_IN_ROWS = {"progress", "time_control", "lag"}
"""Facts of a participant that only its events tell."""


def play(real, mode):
    """A real session with most that can happen to one."""
    teams = [uuid4(), uuid4()]
    per_group = mode is SyncMode.PER_GROUP
    create = cmd.Create.of(
        sync_mode=mode,
        participants=tuple(cmd.Seat(uuid4(), 60_000, group_id=teams[n % 2] if per_group else None) for n in range(3)),
        groups=tuple(cmd.GroupBank(team, 90_000) for team in teams) if per_group else (),
        total_time_ms=120_000 if mode in {SyncMode.GLOBAL, SyncMode.COUNT_UP} else None,
        time_per_cycle_ms=30_000 if mode is SyncMode.PER_CYCLE else None,
        max_time_ms=120_000 if mode is SyncMode.COUNT_UP else None,
        warning_thresholds_ms=(50_000, 10_000),
        metadata={"text": "\N{SNOWMAN}", "numbers": [1, 2.5, 2**63]},
    )
    session_id = real(create).session_id
    for command in [cmd.Start(), cmd.Switch(), cmd.Pause(), cmd.Resume(), cmd.Switch()]:
        real(session_id, command)
    corrections = [cmd.UndoSwitch("a slip"), cmd.AdjustClock(adjust_ms=-1_000), cmd.AdjustClock(at_least_ms=130_000)]
    for command in [*corrections, cmd.AssignTurn(create.participants[2].participant_id, "It is hers.")]:
        real(session_id, command)
    newcomer = cmd.Seat(uuid4(), 45_000, group_id=teams[0] if per_group else None, user_id="zoe")
    return real(session_id, cmd.AddParticipant(newcomer))


@pytest.mark.parametrize("mode", list(SyncMode))
def test_rows_equal_what_happened_in_the_store(real, mode):
    play(real, mode)
    state = play(real, mode)
    drained()
    assert waiting() == 0
    row = selectors.session_get(state.session_id)
    assert (row.epoch, row.sync_mode, row.status, row.version) == (state.epoch, mode, "running", state.version)
    assert (row.created_by, row.cycle_number, row.running_ms) == ("alice", state.cycle.number, state.running_ms)
    assert (row.total_time_ms, row.active_participant_id) == (
        state.config.total_time_ms,
        state.active_participant and state.active_participant.participant_id,
    )
    assert [from_datetime(at) for at in (row.created_at, row.updated_at, row.started_at)] == [
        *(state.created_ms, state.updated_ms, state.started_ms)
    ]
    assert row.deleted_at is None
    assert list(selectors.session_events(row).values_list("sequence", flat=True)) == list(range(1, state.sequence + 1))
    seats = {seat.participant_id: seat for seat in row.participants.all()}
    for participant in state.participants:
        seat = seats.pop(participant.participant_id)
        for name in set(participant.__struct_fields__) - NOT_IN_ROWS:
            assert getattr(seat, name) == getattr(participant, name), name
    assert not seats


@pytest.mark.parametrize("mode", list(SyncMode))
def test_a_replay_from_the_rows_equals_the_state_in_the_store(real, mode):
    state = play(real, mode)
    drained()
    stored = run_blocking(sessions.get(state.session_id, SYSTEM)).state
    assert selectors.replayed_state(selectors.session_get(state.session_id)) == stored == state


def test_a_deleted_session_keeps_its_history_and_its_id_may_live_again(real):
    state = real(creation())
    run_blocking(sessions.delete(state.session_id, ALICE))
    run_blocking(sessions.create(creation(), state.session_id, ALICE))
    drained()
    first = selectors.session_get(state.session_id, state.epoch)
    assert first.deleted_at is not None
    assert selectors.session_events(first).last().type == "session.deleted"
    newest = selectors.session_get(state.session_id)
    assert newest.pk != first.pk
    assert newest.deleted_at is None


def test_who_asked_and_when_stands_beside_each_event():
    history = History().do(cmd.Start(), 1_000, "bob")
    post(*history.entries)
    drained()
    created, started = SyncEvent.objects.order_by("sequence")
    assert (created.principal, started.principal, started.request_id) == ("alice", "bob", "r-1")
    assert started.at == as_datetime(history.now)
    assert started.committed_at == as_datetime(history.now + 5)


def test_every_kind_of_commit_survives_the_way_there_and_back():
    history = full_history()
    post(*history.entries)
    drained()
    row = SyncSession.objects.get()
    assert selectors.replayed_state(row) == history.state
    assert list(selectors.rebuilt_events(row)) == [event for entry in history.entries for event in entry.events]


def test_events_after_a_sequence_number_come_in_order():
    history = History().played(6)
    post(*history.entries)
    drained()
    found = selectors.session_events(SyncSession.objects.get(), after_sequence=3)
    assert [event.sequence for event in found] == list(range(4, history.state.sequence + 1))


def test_a_history_with_a_hole_is_not_replayed():
    history = History().played(5)
    post(*history.entries)
    drained()
    with retention():
        SyncEvent.objects.filter(sequence=3).delete()
    with pytest.raises(selectors.HistoryIncomplete):
        selectors.replayed_state(SyncSession.objects.get())


def test_a_session_that_nobody_knows_is_none():
    assert selectors.session_get(uuid4()) is None
    assert tables() == ([], [], [])
    assert SyncParticipant.objects.count() == 0
