"""Snapshots that were deleted, as an erasure does, stay deleted."""

import pytest

from audit.models import SyncSnapshot
from synckairos import outbox
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import creation, drained, post

pytestmark = pytest.mark.django_db


def test_a_commit_that_comes_again_brings_no_erased_snapshot_back(real):
    real(real(creation()).session_id, cmd.Delete())
    entries = [fields[outbox.FIELD] for _, fields in redis_client.blocking_client().xrange(keys.outbox(0))]
    drained()
    assert SyncSnapshot.objects.all().delete()[0] == 1
    post(*entries)
    drained()
    assert not SyncSnapshot.objects.exists()
