"""Past states where the history has gaps, several epochs, or snapshots that say something else; and the live state."""

import pytest
from django.core.management import call_command

from audit import past_states, selectors
from audit.models import SyncEvent, SyncSnapshot
from audit.retention_role import retention
from sessions.services import commits
from synckairos import stored_state
from synckairos.engine import commands as cmd
from synckairos.instants import as_datetime, from_datetime
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import creation, drained

pytestmark = pytest.mark.django_db
EVERY = 20
"""Versions from one snapshot to the next, fewer than elsewhere."""


@pytest.fixture
def state(real, monkeypatch):
    """A running session that is some versions beyond its first snapshot."""
    monkeypatch.setattr(commits, "SNAPSHOT_EVERY", EVERY)
    made = real(creation(warning_thresholds_ms=()))
    real(made.session_id, cmd.Start())
    while (state := real(made.session_id, cmd.Switch())).version < EVERY + 10:
        pass
    drained()
    return state


@pytest.fixture
def row(state):
    return selectors.session_get(state.session_id)


@pytest.fixture
def verified(state, capsys):
    """`verified()` is what `audit_replay --verify` says, and its exit status."""

    def run():
        status = 0
        try:
            call_command("audit_replay", str(state.session_id), "--verify")
        except SystemExit as ended:
            status = ended.code
        return capsys.readouterr().err, status

    return run


def lose(row, sequence):
    with retention():
        assert SyncEvent.objects.filter(session=row, sequence=sequence).delete()[0] == 1


def at_of(row, sequence):
    return from_datetime(SyncEvent.objects.get(session=row, sequence=sequence).at)


def test_a_past_state_reads_no_events_beyond_it(row):
    assert [event.sequence for event in selectors.rebuilt_events(row, 3, 6)] == [4, 5, 6]
    lose(row, 8)
    assert past_states.state_after(row, 7).sequence == 7


@pytest.mark.parametrize("before_snapshot", [True, False], ids=["before-a-snapshot", "after-the-last-snapshot"])
def test_a_missing_event_is_no_earlier_state(row, before_snapshot):
    lost = 10 if before_snapshot else EVERY + 5
    lost_at = at_of(row, lost)
    lose(row, lost)
    for sequence in (lost, lost + 1):
        with pytest.raises(selectors.HistoryIncomplete):
            past_states.state_after(row, sequence)
    with pytest.raises(selectors.HistoryIncomplete):
        past_states.state_at(row, lost_at)
    assert past_states.state_after(row, lost - 1).sequence == lost - 1


def test_a_number_that_is_not_reached_gives_the_last_state(row, state):
    assert past_states.state_after(row, state.sequence + 5).sequence == state.sequence


def test_a_snapshot_of_another_instant_than_its_row_is_passed_over(row):
    kept = SyncSnapshot.objects.get(session=row)
    truth = past_states.state_after(row, kept.sequence - 1)
    SyncSnapshot.objects.filter(pk=kept.pk).update(at=as_datetime(truth.created_ms))
    assert past_states.state_at(row, truth.created_ms).sequence < kept.sequence


def test_past_states_of_a_restored_session_reach_into_the_epochs_before(row, state, verified):
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    restored = selectors.session_get(state.session_id)
    assert restored.parent_epoch == row.epoch
    for sequence in (5, EVERY + 2, state.sequence):
        past = past_states.state_after(restored, sequence)
        assert (past.sequence, past.epoch) == (sequence, row.epoch)
    assert past_states.state_at(restored, at_of(row, 5)).epoch == row.epoch
    assert past_states.state_after(restored, state.sequence + 1).epoch == restored.epoch
    said, status = verified()
    assert (status, "snapshots: 2, different: 0" in said) == (0, True)


def test_verification_says_how_far_the_audit_is_behind(real, state, verified):
    real(state.session_id, cmd.Switch())
    real(state.session_id, cmd.Pause())
    said, status = verified()
    assert (status, "the audit is 2 versions behind the live state" in said) == (0, True)


def test_verification_finds_a_store_that_lost_commits(row, state, verified):
    older = past_states.state_after(row, state.sequence - 3)
    redis_client.blocking_client().set(keys.state(state.session_id), stored_state.encode_state(older), keepttl=True)
    said, status = verified()
    assert (status, "the live state is 3 versions behind the audit" in said) == (1, True)


def test_a_commit_that_is_drained_during_the_replay_is_no_difference(real, state, verified, monkeypatch):
    rebuilt = selectors.rebuilt_events

    def late(*arguments):
        real(state.session_id, cmd.Switch())
        drained()
        yield from rebuilt(*arguments)

    monkeypatch.setattr(selectors, "rebuilt_events", late)
    said, status = verified()
    assert (status, f"leads to, at version {state.version + 1}" in said) == (0, True)
