"""The migration to lists fills its new columns from what the rows say already, in portions."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from audit.models import SyncParticipant, SyncSession
from tests.outboxes import History, drained, post

pytestmark = pytest.mark.django_db
MIGRATION = import_module("audit.migrations.0009_lists_filled")


@pytest.fixture(autouse=True)
def of_a_former_release(monkeypatch):
    """Three sessions as a release without lists has left them, of which each statement reads one row."""
    histories = [History(at=1_790_000_000_000 + n) for n in range(3)]
    post(*(history.entries[0] for history in histories))
    drained()
    SyncSession.objects.update(owner="", visibility="")
    SyncParticipant.objects.update(created_at=None)
    monkeypatch.setattr(MIGRATION, "PORTION", 1)


def fill():
    MIGRATION.fill(None, SimpleNamespace(connection=connection))


def filled():
    """The number of sessions and of participants whose columns are filled; each must say what is right."""
    sessions = list(SyncSession.objects.exclude(owner=""))
    participants = list(SyncParticipant.objects.exclude(created_at=None).select_related("session"))
    assert all(row.owner == row.created_by == "alice" for row in sessions)
    assert all(row.created_at == row.session.created_at for row in participants)
    return len(sessions), len(participants)


def test_owners_are_creators_and_participants_have_the_creation_of_their_session():
    fill()
    assert filled() == (3, 6)


@pytest.mark.parametrize("portions", [1, 4])
def test_a_fill_that_was_interrupted_keeps_what_it_has_done_and_goes_on(portions):
    done = 0

    def interrupting(execute, sql, params, many, context):
        nonlocal done
        if "UPDATE" in sql:
            if done == portions:
                raise OperationalError("the connection is lost")
            done += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interrupting), pytest.raises(OperationalError):
        fill()
    assert sum(filled()) == portions
    fill()
    assert filled() == (3, 6)


def test_rows_of_releases_with_lists_stay_as_they_are():
    """A session without an owner, and one whose creation is not written yet."""
    fill()
    ownerless, early, other = SyncSession.objects.order_by("pk")
    SyncSession.objects.filter(pk=ownerless.pk).update(owner="", visibility="private")
    SyncSession.objects.filter(pk=early.pk).update(owner="", created_by="")
    SyncSession.objects.filter(pk=other.pk).update(owner="bob", visibility="private")
    fill()
    assert list(SyncSession.objects.order_by("pk").values_list("owner", flat=True)) == ["", "", "bob"]


def test_no_transaction_holds_the_portions_together():
    [operation] = MIGRATION.Migration.operations
    assert MIGRATION.Migration.atomic is False
    assert not operation.atomic
