"""A store that its own outbox has filled: the drain empties it without a byte more, and whoever waited goes on."""

from __future__ import annotations

import signal
import sys

import pytest
from django.db import IntegrityError

from audit.drain import drain_all
from audit.models import SyncEvent
from sessions.services import sessions
from synckairos.engine import commands as cmd
from synckairos.errors import StoreFull
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests import servers
from tests.filling import full
from tests.outboxes import ALICE, History, creation, dead, newer, post, refused, waiting

MIB = 2**20


@pytest.mark.django_db
def test_a_full_outbox_is_drained_without_memory_even_what_has_to_be_put_aside(failing):
    history = History().do(cmd.Start(), 5, "mallory")
    post(b"\xc1poison", *history.entries, *History().played(5).entries)
    with full(), failing("mallory", IntegrityError("no")):
        assert drain_all()
        assert (waiting(), refused(), newer(), len(dead())) == (0, [1], 0, 1)
        assert SyncEvent.objects.count() == 6


@pytest.fixture
def own_store(tmp_path, configure):
    """A store with little room, which this process uses."""
    extra = ("--maxmemory", str(3 * MIB), "--maxmemory-policy", "noeviction", "--appendonly", "no")
    server = servers.StoreServer(tmp_path / "store", extra=extra).start()
    configure(redis_url=server.url)
    yield server
    server.stop(signal.SIGKILL)


def filled():
    """Command sessions until the store takes no more; gives one of them, and how many events all have had."""
    ids, events = [], 0
    while True:
        try:
            if len(ids) < 5:
                ids.append(run_blocking(sessions.create(creation(), None, ALICE)).state.session_id)
                run_blocking(sessions.execute(ids[-1], cmd.Start(), ALICE))
                events += 2
            for session_id in ids:
                run_blocking(sessions.execute(session_id, cmd.Switch(), ALICE))
                events += 1
        except StoreFull:
            return ids[0], events


def test_a_worker_that_starts_on_a_store_filled_by_its_outbox_empties_it_by_itself(own_store, audit_url):
    session_id, events = filled()
    assert waiting() == events
    command = [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "--pool", "solo", "--without-gossip"]
    env = {"REDIS_URL": own_store.url, "DATABASE_URL": audit_url, "SYNCKAIROS_LOG_LEVEL": "INFO"}
    worker = servers.Child([*command, "--without-mingle", "--loglevel", "INFO"], env=env).start()
    try:
        servers.wait_until(lambda: waiting() == 0, 60, f"the outbox is empty\n{worker.output()}")
        assert SyncEvent.objects.count() == events
        assert run_blocking(sessions.execute(session_id, cmd.Switch(), ALICE)).state.status == "running"
        # With room for the broker, the worker takes tasks, and messages.
        servers.wait_until(lambda: "worker started" in worker.output(), 60, f"it is ready\n{worker.output()}")
        servers.wait_until(lambda: waiting() == 0, 60, f"it goes on draining\n{worker.output()}")
        assert worker.process.poll() is None
    finally:
        worker.stop(signal.SIGKILL)
    assert not redis_client.blocking_client().exists(keys.outbox_dead(0))
