"""The verification of restored sessions: the last commit of the epoch before is there, or was pruned."""

import pytest
from django.core.management import call_command

from audit import selectors
from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.retention_role import retention
from audit.verification import Fault, Waiting, verify
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from tests.forged_chains import delete, rechain, tombstone, truncate
from tests.outboxes import History, creation, drained, post

pytestmark = pytest.mark.django_db(transaction=True)


def restored(session_id):
    """Lose a session and restore it; return the rows of its two epochs."""
    parent = selectors.session_get(session_id)
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    return parent, selectors.session_get(session_id)


@pytest.fixture
def epochs(real):
    """The rows of a session that was restored: of its parent epoch, and of the one that continues that."""
    session_id = real(creation(warning_thresholds_ms=())).session_id
    for command in [cmd.Start(), cmd.Switch()]:
        real(session_id, command)
    drained()
    return restored(session_id)


@pytest.fixture(params=["with commit rows", "without"])
def older_epochs(request):
    """The same of a session whose parent epoch is of a release before there was a chain."""
    history = History(creation(warning_thresholds_ms=())).played(3)
    post(*history.entries)
    drained()
    if request.param == "without":
        with retention():
            SyncCommit.objects.all().delete()
            SyncEvent.objects.update(commit_version=None)
    return restored(history.state.session_id)


def found(session):
    finding = verify(session).finding
    return None if finding is None else (finding.fault, finding.version)


def last_digest(session):
    return bytes(SyncCommit.objects.get(session=session, version=session.version).digest)


def test_a_restored_session_is_right(epochs):
    parent, child = epochs
    assert child.parent_epoch == parent.epoch
    assert (found(parent), found(child)) == (None, None)


def test_a_restored_session_whose_parent_has_no_chain_is_right(older_epochs):
    parent, child = older_epochs
    assert verify(parent).unchained == 3
    assert verify(child).events == 1
    assert found(child) is None


def test_a_parent_without_a_chain_that_was_deleted_is_missing(older_epochs):
    parent, child = older_epochs
    with retention():
        delete(parent)
    assert found(child) == (Fault.MISSING, child.version)


def test_a_parent_that_was_deleted_is_missing(epochs):
    parent, child = epochs
    with retention():
        delete(parent)
    assert found(child) == (Fault.MISSING, child.version)


def test_a_parent_that_was_shortened_with_its_row_is_missing_where_it_was_continued(epochs):
    parent, child = epochs
    with retention():
        truncate(parent, 2)
    parent.refresh_from_db()
    assert (found(parent), found(child)) == (None, (Fault.MISSING, child.version))


def test_a_parent_that_was_written_anew_is_forked(epochs):
    parent, child = epochs
    with retention():
        rechain(parent, 2, request_id="r-2")
    assert (found(parent), found(child)) == (None, (Fault.FORKED, child.version))


def test_a_parent_whose_digests_were_all_removed_is_altered(epochs):
    parent, child = epochs
    with retention():
        SyncCommit.objects.filter(session=parent).update(digest=None, previous=None, body=None)
    assert (found(parent), found(child)) == (None, (Fault.ALTERED, child.version))


@pytest.mark.parametrize(
    ("further", "own_digest", "fault"),
    [(0, True, None), (0, False, Fault.FORKED), (1, False, None), (-1, True, Fault.MISSING)],
    ids=["ended there", "ended there otherwise", "ended later", "ended before"],
)
def test_a_parent_that_was_pruned_is_excused_if_its_tombstone_covers_the_commit(epochs, further, own_digest, fault):
    parent, child = epochs
    tombstone(parent, parent.version + further, last_digest(parent) if own_digest else b"\1" * 32)
    with retention():
        delete(parent)
    assert found(child) == (fault and (fault, child.version))


def test_a_session_that_nothing_has_restored_and_that_names_a_parent_is_altered(epochs):
    parent, _ = epochs
    with retention():
        SyncSession.objects.filter(pk=parent.pk).update(parent_epoch="forged")
    parent.refresh_from_db()
    assert found(parent) == (Fault.ALTERED, 1)


def test_the_first_commit_of_a_restored_session_may_wait_in_the_outbox(epochs, real):
    _, child = epochs
    real(child.session_id, cmd.Switch())
    drained()
    child.refresh_from_db()
    first = SyncCommit.objects.filter(session=child).order_by("version").first()
    waiting = {first.since_version: Waiting(first.version, bytes(first.previous), bytes(first.digest))}
    with retention():
        SyncEvent.objects.filter(session=child, commit_version=first.version).delete()
        first.delete()
    result = verify(child, waiting)
    assert (result.finding, result.waiting, result.events) == (None, 1, 1)
    assert found(child) == (Fault.MISSING, child.version)
