"""Events and commits are never changed on PostgreSQL, except by the role for retention."""

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from audit import retention_role
from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.retention_role import retention
from tests.outboxes import History, creation, drained, post

pytestmark = pytest.mark.django_db
on_postgres = pytest.mark.skipif(
    not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"), reason="SQLite has no roles"
)


@pytest.fixture
def session():
    """The row of a session with four events."""
    history = History(creation()).played(4)
    post(*history.entries)
    drained()
    return SyncSession.objects.get(session_id=history.state.session_id)


def current_role():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]


@on_postgres
@pytest.mark.parametrize("model", [SyncEvent, SyncCommit], ids=lambda model: model.__name__)
def test_a_row_is_neither_changed_nor_deleted(session, model):
    rows = model.objects.filter(session=session)
    for change in (rows.delete, lambda: rows.update(version=F("version") + 100), session.delete):
        with pytest.raises(DatabaseError, match="are never changed or deleted"), transaction.atomic():
            change()
    assert rows.filter(version__lte=4).count() == 4


def test_retention_may_change_and_delete(session):
    with retention():
        SyncEvent.objects.filter(session=session, sequence=1).update(data={})
        assert SyncEvent.objects.get(session=session, sequence=1).data == {}
        session.delete()
    assert not SyncEvent.objects.exists()
    assert not SyncSession.objects.exists()


@on_postgres
def test_the_role_ends_with_its_block_inside_another_transaction(session):
    user = current_role()
    with retention():
        assert current_role() == retention_role.ROLE
    assert current_role() == user
    with pytest.raises(ZeroDivisionError), retention():
        raise ZeroDivisionError
    assert current_role() == user
    with pytest.raises(DatabaseError), transaction.atomic():
        SyncEvent.objects.all().delete()


@on_postgres
def test_a_user_who_may_not_take_the_role_is_told_so(monkeypatch):
    monkeypatch.setattr(retention_role, "ROLE", "synckairos_no_such_role")
    with pytest.raises(retention_role.RoleMissing, match="operations"), retention():
        pass


@on_postgres
def test_what_is_refused_to_the_user_of_the_database_is_logged(monkeypatch, caplog):
    """The user has neither the right to make roles nor that to grant the tables."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE sk_test_guest")
        cursor.execute("SET SESSION AUTHORIZATION sk_test_guest")
        monkeypatch.setattr(retention_role, "_MAKE_ROLE", "CREATE ROLE sk_test_other")
        with caplog.at_level("WARNING"):
            retention_role.make_role("default")
        cursor.execute("RESET SESSION AUTHORIZATION")
    assert "could not be made" in caplog.text
