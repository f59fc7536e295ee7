"""Snapshots that were deleted, as an erasure does, stay deleted."""

import pytest
from django.core.management import call_command

from audit.erasure import erase
from audit.models import SyncSnapshot
from audit.personal_values import Person
from synckairos import outbox
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import creation, drained, post

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_commit_that_comes_again_brings_no_erased_snapshot_back(real):
    real(real(creation()).session_id, cmd.Delete())
    entries = [fields[outbox.FIELD] for _, fields in redis_client.blocking_client().xrange(keys.outbox(0))]
    drained()
    assert SyncSnapshot.objects.all().delete()[0] == 1
    post(*entries)
    drained()
    assert not SyncSnapshot.objects.exists()


def test_an_erasure_deletes_the_snapshots_of_all_epochs(real):
    session_id = real(creation(metadata={"judge": "dora-1234"})).session_id
    drained()
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    assert SyncSnapshot.objects.get().session.parent_epoch
    erase(session_id, Person("dora-1234"))
    assert not SyncSnapshot.objects.exists()
