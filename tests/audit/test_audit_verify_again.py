"""A verification while others write: what an erasure or a prune has changed meanwhile is no fault."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit import erasure, pruning, selectors, verification, verification_rows
from audit.models import SyncCommit, SyncEvent, SyncPruned
from audit.personal_values import Person
from audit.retention_role import retention
from audit.verification import Fault
from audit.verification_again import verified_again
from audit.verification_rows import Part
from synckairos.engine import commands as cmd
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.forged_chains import delete
from tests.outboxes import drained, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(real):
    """The row of a session of four commits that has ended."""
    seats = tuple(cmd.Seat(uuid4(), 60_000, user_id=name) for name in ("ann", "bob"))
    session_id = real(cmd.Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=seats)).session_id
    for command in [cmd.Start(), cmd.Switch(), cmd.Complete()]:
        real(session_id, command)
    drained()
    return selectors.session_get(session_id)


@pytest.fixture
def verified(capsys, monkeypatch):
    """`verified(meanwhile)` verifies all, calls that between the first reading of events and that of commits, and
    returns the output and the exit status."""
    rows_of = verification.rows_of

    def run(meanwhile):
        due = [meanwhile]

        def rows_with_a_write_between(parts, sequence):
            for part, commits, events in rows_of(parts, sequence):
                read = list(events)
                while due:
                    due.pop()()
                yield part, commits, iter(read)

        monkeypatch.setattr(verification, "rows_of", rows_with_a_write_between)
        status = 0
        try:
            call_command("audit_verify", "--processes", "1")
        except SystemExit as ended:
            status = ended.code
        assert not due
        return capsys.readouterr().out, status

    return run


def in_an_hour():
    return timezone.now() + timedelta(hours=1)


def delete_commits(session):
    with retention():
        SyncCommit.objects.filter(session=session).delete()


def test_an_erasure_meanwhile_is_no_fault(session, verified):
    said, status = verified(lambda: erasure.erase(session.session_id, Person("ann")))
    assert "events verified: 4;" in said
    assert "removed meanwhile: 0; sessions with faults: 0" in said
    assert status == 0


def test_a_prune_meanwhile_is_no_fault(session, verified):
    said, status = verified(lambda: pruning.prune([session.session_id], in_an_hour(), "ops"))
    assert selectors.session_get(session.session_id) is None
    assert "removed meanwhile: 1; sessions with faults: 0" in said
    assert status == 0


def test_a_prune_that_has_not_ended_is_no_fault(session, verified):
    def begin_to_prune():
        assert pruning._write_tombstones([session.session_id], in_an_hour(), "ops") == [session.pk]
        delete_commits(session)

    said, status = verified(begin_to_prune)
    assert "removed meanwhile: 1; sessions with faults: 0" in said
    assert status == 0


def test_rows_that_go_meanwhile_without_a_tombstone_are_missing(session, verified):
    said, status = verified(lambda: delete_commits(session))
    assert f"{session.session_id} ({session.epoch}) version 1: missing" in said
    assert status == 1


def test_a_tombstone_excuses_no_altered_row(session, verified):
    with retention():
        SyncEvent.objects.filter(session=session, sequence=3).update(data={"a": 1})
    said, status = verified(lambda: pruning._write_tombstones([session.session_id], in_an_hour(), "ops"))
    assert "version 3: altered" in said
    assert "removed meanwhile: 0; sessions with faults: 1" in said
    assert status == 1


def test_a_gap_of_a_long_session_that_waits_is_verified_in_its_part_only(real, capsys, monkeypatch):
    monkeypatch.setattr(verification_rows, "PART_VERSIONS", 3)
    seats = tuple(cmd.Seat(uuid4(), 60_000) for _ in range(2))
    session_id = real(cmd.Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=seats)).session_id
    for command in [cmd.Start(), *[cmd.Switch()] * 6]:
        real(session_id, command)
    entries = redis_client.blocking_client().xrange(keys.outbox(0))
    entry_id, fields = entries[4]
    redis_client.blocking_client().xdel(keys.outbox(0), entry_id)
    drained()
    post(fields[b"e"])
    call_command("audit_verify", "--processes", "1")
    said = capsys.readouterr().out
    assert "events verified: 7;" in said
    assert "wait in the outbox: 1; removed meanwhile: 0; sessions with faults: 0" in said


@pytest.mark.parametrize("has_tombstone", [True, False])
def test_a_session_that_is_gone_is_no_fault_if_a_tombstone_says_so(session, has_tombstone):
    part = Part(session.pk, session.session_id, session.epoch, session.version, 0, session.version)
    if has_tombstone:
        SyncPruned.objects.create(
            session_id=session.session_id,
            epoch=session.epoch,
            version=session.version,
            digest=b"",
            pruned_by="ops",
            pruned_at=session.updated_at,
        )
    with retention():
        delete(session)
    result = verified_again([part])[part.session]
    assert result.is_removed is has_tombstone
    assert (result.finding is None) is has_tombstone
    assert has_tombstone or result.finding.fault is Fault.MISSING
