"""Snapshots, past states, and `manage.py audit_replay`."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from audit import past_states, selectors
from audit.models import SyncEvent, SyncSnapshot
from audit.retention_role import retention
from sessions.services.commits import SNAPSHOT_EVERY
from synckairos import stored_state
from synckairos.engine import commands as cmd
from synckairos.engine import replay
from synckairos.instants import as_iso
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import creation, drained, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def game(real):
    """A session that has ended after more than two hundred versions."""
    state = real(creation(warning_thresholds_ms=()))
    real(state.session_id, cmd.Start())
    for _ in range(2 * SNAPSHOT_EVERY):
        real(state.session_id, cmd.Switch())
    state = real(state.session_id, cmd.Complete())
    drained()
    return state


@pytest.fixture
def row(game):
    return selectors.session_get(game.session_id)


@pytest.fixture
def audit_replay(game, capsys):
    """`audit_replay(…)` runs the command, and returns its answer, what it says beside it, and its exit status."""

    def run(*arguments):
        status = 0
        capsys.readouterr()
        try:
            call_command("audit_replay", str(game.session_id), *arguments)
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return said.out and json.loads(said.out), said.err, status

    return run


def test_a_snapshot_is_taken_every_hundred_versions_and_at_the_end(row, game):
    versions = list(SyncSnapshot.objects.filter(session=row).order_by("version").values_list("version", flat=True))
    assert versions == [SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY, game.version]
    last = SyncSnapshot.objects.get(session=row, version=game.version)
    assert stored_state.decode_state(bytes(last.state)) == game


def test_every_past_state_is_what_a_replay_from_the_beginning_leads_to(row, game):
    events = list(selectors.rebuilt_events(row))
    for sequence in (1, 2, SNAPSHOT_EVERY - 1, SNAPSHOT_EVERY, SNAPSHOT_EVERY + 1, game.sequence - 1, game.sequence):
        truth = replay(events[:sequence])
        found = past_states.state_after(row, sequence)
        assert (found.version, found.sequence, found.participants, found.cycle, found.status) == (
            *(truth.version, truth.sequence, truth.participants, truth.cycle, truth.status),
        )
        at = past_states.state_at(row, truth.updated_ms)
        assert at.updated_ms == truth.updated_ms
        assert at.sequence >= sequence  # several events of one millisecond belong together
    assert past_states.state_after(row, 0) is None
    assert past_states.state_at(row, events[0].at_ms - 1) is None


def test_a_state_after_a_snapshot_reads_no_events_before_it(row):
    with retention():
        SyncEvent.objects.filter(session=row, sequence__lte=SNAPSHOT_EVERY).delete()
    assert past_states.state_after(row, SNAPSHOT_EVERY + 5).sequence == SNAPSHOT_EVERY + 5
    with pytest.raises(selectors.HistoryIncomplete):
        past_states.state_after(row, SNAPSHOT_EVERY - 5)


def test_a_snapshot_that_cannot_be_read_is_passed_over(row):
    SyncSnapshot.objects.filter(session=row, version=SNAPSHOT_EVERY).update(state=b"rubbish")
    assert past_states.state_after(row, SNAPSHOT_EVERY + 5).sequence == SNAPSHOT_EVERY + 5


def test_a_late_entry_with_a_snapshot_is_written_once(real, row):
    state = real(creation())
    real(state.session_id, cmd.Cancel())
    entries = [fields[b"e"] for _, fields in redis_client.blocking_client().xrange(keys.outbox(0))]
    drained()
    post(*entries)
    drained()
    assert SyncSnapshot.objects.exclude(session=row).count() == 1


def test_the_command_prints_a_past_state_as_clients_saw_it(audit_replay, row):
    event = SyncEvent.objects.get(session=row, sequence=50)
    by_number, _, _ = audit_replay("--sequence", "50")
    by_instant, _, _ = audit_replay("--at", as_iso(past_states.state_after(row, 50).updated_ms))
    assert (by_number["version"], by_number["status"], by_number["cycle_started_at"]) == (
        *(event.version, "running", by_number["updated_at"]),
    )
    assert by_instant["version"] >= by_number["version"]
    assert audit_replay()[0]["status"] == "completed"


def test_verification_proves_snapshots_and_the_live_state_equal_to_the_replay(audit_replay, row, game):
    _, said, status = audit_replay("--verify")
    assert status == 0
    assert "snapshots: 3, different: 0" in said
    assert f"leads to, at version {game.version}" in said
    data = stored_state.encode_state(replace(past_states.state_after(row, SNAPSHOT_EVERY), running_ms=5))
    SyncSnapshot.objects.filter(session=row, version=SNAPSHOT_EVERY).update(state=data)
    _, said, status = audit_replay("--verify")
    assert (status, f"the snapshot of version {SNAPSHOT_EVERY} is not what" in said) == (1, True)


def test_verification_finds_a_live_state_that_is_another_one(audit_replay, game):
    other = stored_state.encode_state(replace(game, running_ms=game.running_ms + 1))
    redis_client.blocking_client().set(keys.state(game.session_id), other, keepttl=True)
    _, said, status = audit_replay("--verify")
    assert (status, "the live state is not what the history leads to" in said) == (1, True)


def test_what_never_was_is_refused(audit_replay, game):
    with pytest.raises(CommandError, match="did not exist then"):
        audit_replay("--at", "2001-01-01T00:00:00Z")
    with pytest.raises(CommandError, match=f"has {game.sequence} events"):
        audit_replay("--sequence", str(game.sequence + 1))


def test_the_state_after_an_event_costs_few_statements_however_long_the_history_is(row):
    with CaptureQueriesContext(connection) as statements:
        past_states.state_after(row, 2 * SNAPSHOT_EVERY + 1)
    assert len(statements) <= 3
