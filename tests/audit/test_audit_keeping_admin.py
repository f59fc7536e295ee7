"""Legal holds, pruned sessions and erasures in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from audit.models import SyncErasure, SyncHold, SyncPruned, SyncSession
from tests.outboxes import History, drained, post

pytestmark = pytest.mark.django_db
SESSIONS = reverse("admin:audit_syncsession_changelist")


@pytest.fixture
def row():
    history = History()
    post(*history.entries)
    drained()
    return SyncSession.objects.get()


def user(client, *permissions):
    arbiter = User.objects.create_user("arbiter", is_staff=True)
    arbiter.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(arbiter)
    return client


def act(client, action, row, reason=""):
    return client.post(SESSIONS, {"action": action, "_selected_action": row.pk, "reason": reason}, follow=True)


def test_who_may_hold_holds_and_releases_with_a_reason(client, row):
    staff = user(client, "view_syncsession", "hold_syncsession")
    assert "Say the reason" in act(staff, "hold", row).content.decode()
    assert not SyncHold.objects.exists()
    assert "Under legal hold: 1" in act(staff, "hold", row, "appeal 7").content.decode()
    row.refresh_from_db()
    assert row.legal_hold
    assert "already under legal hold" in act(staff, "hold", row, "again").content.decode()
    act(staff, "release", row, "decided")
    decisions = SyncHold.objects.order_by("pk").values_list("session_id", "is_held", "reason", "by")
    assert list(decisions) == [
        (row.session_id, True, "appeal 7", "arbiter"),
        (row.session_id, False, "decided", "arbiter"),
    ]


def test_who_may_only_look_has_no_such_action(client, row):
    staff = user(client, "view_syncsession")
    assert "legal hold</option>" not in staff.get(SESSIONS).content.decode()
    act(staff, "hold", row, "appeal")
    row.refresh_from_db()
    assert not row.legal_hold


@pytest.mark.parametrize("model", [SyncHold, SyncPruned, SyncErasure], ids=lambda model: model.__name__)
def test_records_are_listed_and_nobody_changes_them(client, row, model):
    client.force_login(User.objects.create_superuser("root"))
    now = timezone.now()
    SyncHold.objects.create(session_id=row.session_id, is_held=True, reason="x", by="ops", at=now)
    SyncPruned.objects.create(
        session_id=row.session_id, epoch="1", version=3, digest=b"\x01\x02", pruned_at=now, pruned_by="ops"
    )
    SyncErasure.objects.create(person=b"\x03\x04", by="ops", at=now)
    name = model._meta.model_name
    listed = client.get(reverse(f"admin:audit_{name}_changelist"))
    assert "ops" in listed.content.decode()
    page = reverse(f"admin:audit_{name}_change", args=[model.objects.get().pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"by": "x"}).status_code == 403
    assert client.get(reverse(f"admin:audit_{name}_add")).status_code == 403


@pytest.mark.parametrize(("term", "found"), [("id", 1), ("other", 0)], ids=["id", "other"])
def test_pruned_sessions_are_found_by_id(client, row, term, found):
    client.force_login(User.objects.create_superuser("root"))
    SyncPruned.objects.create(
        session_id=row.session_id, epoch="1", version=3, pruned_at=timezone.now(), pruned_by="ops"
    )
    term = str(row.session_id) if term == "id" else term
    listed = client.get(reverse("admin:audit_syncpruned_changelist"), {"q": term})
    assert len(listed.context["cl"].result_list) == found
