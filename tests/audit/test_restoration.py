"""Sessions that the store has lost come back from the audit, with clocks exact to the policy."""

from uuid import uuid4

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import OperationalError

from audit import lost_sessions, selectors
from audit.admin import LatestEvents
from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.retention_role import retention
from audit.verification import Fault, verify
from sessions.services import sessions
from synckairos import stored_state
from synckairos.auth.principal import SYSTEM
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import Status
from synckairos.errors import SessionLimitExceeded
from synckairos.instants import as_datetime, as_iso
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests.outboxes import ALICE, creation, drained, post, waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def game(real):
    """A running session of two players with several commits, all of them in the audit."""
    state = real(creation(warning_thresholds_ms=()))
    for command in [cmd.Start(), cmd.Switch(), cmd.Switch()]:
        state = real(state.session_id, command)
    drained()
    return state


@pytest.fixture
def restore(capsys):
    """`restore(…)` runs the command, and returns what it says and its exit status."""

    def run(*arguments):
        status = 0
        capsys.readouterr()
        try:
            call_command("restore_sessions", *arguments)
        except SystemExit as ended:
            status = ended.code
        return capsys.readouterr().out, status

    return run


def flush():
    redis_client.blocking_client().flushall()


def now(session_id):
    return run_blocking(sessions.get(session_id, SYSTEM)).state


def stored(session_id):
    data = redis_client.blocking_client().get(keys.state(session_id))
    return None if data is None else stored_state.decode_state(data)


def put(state):
    """Give the store this state of a session again, as one that went back in time has it."""
    redis_client.blocking_client().set(keys.state(state.session_id), stored_state.encode_state(state))


def test_a_running_session_goes_on_as_if_nothing_had_happened(game, restore):
    flush()
    said, status = restore()
    assert (status, "restored: 1; could not be restored: 0" in said) == (0, True)
    state = stored(game.session_id)
    assert (state.version, state.sequence) == (game.version + 1, game.sequence + 1)
    assert state.epoch != game.epoch
    assert state.status is Status.RUNNING
    assert state.cycle == game.cycle
    assert state.participants == game.participants
    assert state.last_switch == game.last_switch


def test_a_pause_as_of_the_outage_charges_what_was_before_it(game, restore, real):
    began_ms = real(creation()).created_ms
    drained()
    flush()
    restore("--running", "pause")
    state = stored(game.session_id)
    assert state.status is Status.PAUSED
    seat = game.active_participant
    left, charged_ms = state.participants[game.active], began_ms - game.cycle.started_ms
    assert left.total_time_ms == seat.total_time_ms - charged_ms
    assert left.time_used_ms == seat.time_used_ms + charged_ms
    assert [p for p in state.participants if p is not left] == [p for p in game.participants if p is not seat]


def test_the_history_continues_under_a_new_epoch_that_names_its_parent(game, restore, real):
    flush()
    restore()
    state = real(game.session_id, cmd.Switch())
    drained()
    parent = selectors.session_get(game.session_id, game.epoch)
    row = selectors.session_get(game.session_id)
    assert (row.epoch, row.parent_epoch, row.created_by) == (state.epoch, game.epoch, "alice")
    assert (parent.restored_as, parent.restored_as == row.epoch, parent.version) == (row.epoch, True, game.version)
    first = SyncCommit.objects.filter(session=row).earliest("version")
    assert (first.since_version, bytes(first.previous)) == (game.version, game.digest)
    assert (first.door, first.principal, first.role) == ("command", "operator", "staff")
    event = SyncEvent.objects.filter(session=row).earliest("sequence")
    assert (event.type, event.data["parent_epoch"], event.data["policy"]) == ("session.restored", game.epoch, "charge")
    assert selectors.replayed_state(row) == state == now(game.session_id)
    assert verify(row).finding is None
    assert verify(parent).finding is None


def test_the_row_of_the_new_epoch_has_all_participants(game, restore):
    flush()
    restore()
    drained()
    seats = selectors.session_get(game.session_id).participants.order_by("participant_index")
    assert list(seats.values_list("participant_id", "user_id", "total_time_ms", "version")) == [
        (seat.participant_id, seat.user_id, seat.total_time_ms, game.version + 1) for seat in game.participants
    ]


def test_a_parent_that_goes_on_is_no_part_of_the_history(game, restore, real):
    """A commit of the former life comes to the audit after the restoration."""
    real(game.session_id, cmd.Switch())
    entries = redis_client.blocking_client().xrange(keys.outbox(keys.shard_of(game.session_id)))
    flush()
    restore()
    drained()
    post(*[fields[b"e"] for _, fields in entries])
    drained()
    parent = selectors.session_get(game.session_id, game.epoch)
    assert (parent.version, parent.events.count()) == (game.version + 1, game.sequence + 1)
    row = selectors.session_get(game.session_id)
    assert selectors.replayed_state(row) == stored(game.session_id)
    assert [verify(one).finding for one in (parent, row)] == [None, None]


def test_a_second_run_restores_nothing_more(game, restore):
    flush()
    restore()
    state = stored(game.session_id)
    said, status = restore()
    assert (stored(game.session_id), status) == (state, 0)
    assert "restored: 0; could not be restored: 0; left alone: current 1" in said


def test_a_session_can_be_lost_and_restored_again(game, restore, real):
    for _ in range(3):
        flush()
        restore()
        real(game.session_id, cmd.Switch())
        drained()
    flush()
    restore("--running", "pause")
    state = stored(game.session_id)
    drained()
    row = selectors.session_get(game.session_id)
    assert selectors.replayed_state(row) == state
    assert state.access.token_epoch == game.epoch
    assert [verify(one).finding for one in SyncSession.objects.all()] == [None] * 5
    assert SyncSession.objects.filter(restored_as="").count() == 1


def test_a_dry_run_changes_nothing(game, restore):
    flush()
    said, status = restore("--dry-run")
    assert (status, "would be restored: 1" in said) == (0, True)
    assert stored(game.session_id) is None
    assert waiting() == 0


def test_an_older_store_gets_the_state_that_the_audit_has(real, restore, game):
    early = game
    for _ in range(3):
        late = real(game.session_id, cmd.Switch())
    drained()
    put(early)
    restore()
    state = stored(game.session_id)
    assert (state.version, state.cycle.number) == (late.version + 1, late.cycle.number)
    assert state.participants == late.participants
    drained()
    assert verify(selectors.session_get(game.session_id)).finding is None


def test_a_store_that_went_on_from_an_older_state_is_left_alone(real, restore, game):
    for _ in range(3):
        real(game.session_id, cmd.Switch())
    drained()
    put(game)
    redis_client.blocking_client().delete(keys.recent(game.session_id))
    other = real(game.session_id, cmd.Pause())
    said, status = restore()
    assert status == 1
    assert f"{game.session_id} ({game.epoch}) version {game.version + 3}: left alone: the store has gone on" in said
    assert stored(game.session_id) == other


def test_a_session_that_was_made_anew_under_the_id_is_left_alone(restore, game):
    flush()
    run_blocking(sessions.create(creation(), game.session_id, ALICE))
    before = stored(game.session_id)
    said, status = restore()
    assert (stored(game.session_id), status) == (before, 0)
    assert "restored: 0" in said


def test_ended_and_deleted_sessions_stay_away(real, restore):
    ended, deleted = (real(creation()).session_id for _ in range(2))
    real(ended, cmd.Cancel())
    run_blocking(sessions.delete(deleted, ALICE))
    drained()
    flush()
    restore()
    assert (stored(ended), stored(deleted)) == (None, None)


def test_a_session_with_a_gap_is_named_and_the_others_come_back(real, restore, game):
    broken = real(creation()).session_id
    real(broken, cmd.Start())
    drained()
    with retention():
        SyncEvent.objects.filter(session__session_id=broken, sequence=1).delete()
    flush()
    said, status = restore()
    assert status == 1
    assert f"{broken}" in said
    assert "cannot be restored: event 1 is missing" in said
    assert "restored: 1; could not be restored: 1" in said
    assert stored(game.session_id) is not None


def test_what_waits_in_the_outbox_is_written_first(real, restore, game):
    state = real(game.session_id, cmd.Switch())
    redis_client.blocking_client().delete(keys.state(game.session_id))
    restore()
    assert stored(game.session_id).version == state.version + 1


def test_only_sessions_since_an_instant_are_restored(restore, game):
    flush()
    said, _ = restore("--since", as_iso(game.updated_ms + 1))
    assert "restored: 0" in said
    restore("--since", as_iso(game.updated_ms))
    assert stored(game.session_id) is not None


def test_the_outage_begins_with_the_last_commit_unless_an_instant_is_given(restore, game):
    flush()
    committed = as_datetime(game.updated_ms)
    said, _ = restore("--running", "pause")
    last = SyncCommit.objects.filter(version=game.version).get().committed_at
    assert last >= committed
    assert "that of the last commit" in said
    event = selectors.session_get(game.session_id)
    drained()
    event = SyncEvent.objects.get(type="session.restored")
    assert as_datetime(event.data["outage_began_ms"]) == last


def test_a_database_that_is_too_slow_to_count_losses_restores_all_the_same(restore, game, monkeypatch):
    def too_slow(*_):
        raise OperationalError("canceling statement due to statement timeout")

    flush()
    monkeypatch.setattr(lost_sessions, "commits_between", too_slow)
    said, status = restore()
    assert "may have lost: unknown (OperationalError)" in said
    assert ("restored: 1;" in said, status) == (True, 0)
    assert now(game.session_id).status is Status.RUNNING


def test_the_commits_of_the_last_minute_are_counted(restore, game):
    flush()
    said, _ = restore()
    assert "there were 0.1 commits a second" in said  # four in the minute
    assert lost_sessions.commits_between(as_datetime(0), as_datetime(game.updated_ms)) == 4


def test_an_outage_in_the_future_is_refused(restore):
    with pytest.raises(CommandError, match="future"):
        call_command("restore_sessions", "--outage-began", "2999-01-01T00:00:00Z")


def test_a_changed_parent_of_a_restored_session_is_found(restore, game):
    flush()
    restore()
    drained()
    row = selectors.session_get(game.session_id)
    for other in ("12345678", ""):
        SyncSession.objects.filter(pk=row.pk).update(parent_epoch=other)
        row.refresh_from_db()
        assert verify(row).finding.fault is Fault.ALTERED


def test_places_of_owners_are_counted_again(restore, real, configure):
    configure(sessions_per_owner=1, sessions_per_service=1)
    early = real(creation(access=Access("alice")))
    session_id = early.session_id
    real(session_id, cmd.Start())
    drained()
    for lose in (flush, lambda: put(early)):
        lose()
        restore()
        members = redis_client.blocking_client().zrange(keys.live_sessions("alice"), 0, -1)
        assert members == [f"{session_id}{stored(session_id).epoch}".encode()]
    with pytest.raises(SessionLimitExceeded):
        real(creation(access=Access("alice")))


def test_a_session_that_nobody_lost_is_not_touched(restore, game, real):
    other = real(creation()).session_id
    before = stored(other), stored(game.session_id)
    restore()
    assert (stored(other), stored(game.session_id)) == before
    assert uuid4() not in (other, game.session_id)


def test_a_dry_run_tells_of_entries_that_wait_in_the_outbox(real, restore, game):
    real(game.session_id, cmd.Switch())
    said, _ = restore("--dry-run")
    assert "entries in the outbox, which are written to the audit first: 1" in said
    assert waiting() == 1


def test_the_page_of_a_restored_session_counts_its_own_events(restore, game):
    flush()
    restore()
    drained()
    row = selectors.session_get(game.session_id)
    assert LatestEvents(SyncSession, admin.site).count(row) == 1
    assert LatestEvents(SyncSession, admin.site).count(selectors.session_get(game.session_id, game.epoch)) == 4
