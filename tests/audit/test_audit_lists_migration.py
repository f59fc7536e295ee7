"""The migration to lists fills its new columns from what the rows say already."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection

from audit.models import SyncParticipant, SyncSession
from tests.outboxes import History, drained, post

pytestmark = pytest.mark.django_db


def test_owners_are_creators_and_participants_have_the_creation_of_their_session():
    histories = [History(), History(at=1_790_000_500_000)]
    post(*(history.entries[0] for history in histories))
    drained()
    SyncSession.objects.update(owner="")
    SyncParticipant.objects.update(created_at=None)
    import_module("audit.migrations.0007_lists").fill(None, SimpleNamespace(connection=connection))
    assert set(SyncSession.objects.values_list("owner", "created_by")) == {("alice", "alice")}
    for row in SyncParticipant.objects.select_related("session"):
        assert row.created_at == row.session.created_at
