"""Real Celery processes: rows come by themselves, and a worker that is killed in mid-drain loses nothing."""

import signal
import sys

import pytest
from django.db import connection, transaction

from audit import selectors
from audit.drain_pace import TASK_S
from audit.models import SyncEvent, SyncSession
from config.celery import app
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History, creation, dead, post, waiting
from tests.servers import DATA_DIR, Child, wait_until

EVENTS = 5_000
SESSIONS = 20
WITHIN_S = 60.0
"""On a slow machine that does other things too."""


def a_transaction_waits():
    """Return true when a transaction waits for this one. SQLite cannot tell: there the worker may be anywhere.

    In a transaction `pg_stat_activity` goes on to show what it showed at first; `pg_locks` is looked up anew.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone()[0] > 0


def celery(*arguments, **env):
    return Child([sys.executable, "-m", "celery", "-A", "config.celery", *arguments, "--loglevel", "WARNING"], env=env)


@pytest.fixture(scope="module")
def beat():
    """Beat, which sends the drain. It has no business with the database."""
    child = celery("beat", "-s", str(DATA_DIR / "beat-schedule"), "--pidfile", "").start()
    yield child
    child.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def crew():
    """Workers that have been started. They are killed in the end, which is quicker than asking."""
    started = []
    yield started
    for child in started:
        child.stop(signal.SIGKILL)


@pytest.fixture
def worker(crew, audit_url):
    """`worker()` is one that runs, and one more when the last one was killed: starting takes seconds."""

    def running():
        if not crew or crew[-1].process is None:
            child = celery("worker", "--pool", "solo", "--without-gossip", "--without-mingle", DATABASE_URL=audit_url)
            crew.append(child.start())
        return crew[-1]

    return running


def test_the_next_task_is_there_before_a_drain_ends():
    """Else the worker's own thread would have to drain in between."""
    assert [entry["schedule"] < TASK_S for entry in app.conf.beat_schedule.values() if "drain" in entry["task"]] == [
        True
    ]
    assert app.conf.broker_transport_options["visibility_timeout"] > 2 * TASK_S


def test_a_row_can_be_read_without_anybody_asking_for_it(beat, worker, real):
    running = worker()
    session_id = real(creation()).session_id
    written = SyncEvent.objects.filter
    wait_until(written(version=1).exists, WITHIN_S, f"the worker is up\n{running.output()}")
    real(session_id, cmd.Start())
    version = real(session_id, cmd.Switch()).version
    wait_until(written(version=version).exists, WITHIN_S, f"the row is there\n{running.output()}")


def test_a_worker_that_is_told_to_end_while_it_waits_ends_and_gives_its_shards_back(beat, worker):
    running = worker()
    blocking = redis_client.blocking_client()
    wait_until(lambda: blocking.exists(keys.drain_lease(0)), WITHIN_S, f"the worker drains\n{running.output()}")
    # Without the end of the wait it would end with the task, and keep its leases for the next one.
    assert running.stop(signal.SIGTERM, within_s=WITHIN_S) == 0
    assert not blocking.exists(keys.drain_lease(0))
    assert not blocking.zcard(keys.drains())
    assert "Traceback" not in running.output()


def test_a_worker_killed_in_mid_drain_loses_nothing_and_repeats_nothing(beat, worker):
    histories = [History().played(EVENTS // SESSIONS) for _ in range(SESSIONS)]
    total = sum(history.state.sequence for history in histories)
    assert total >= EVENTS
    post(*(entry for together in zip(*(history.entries for history in histories), strict=True) for entry in together))

    victim = worker()
    wait_until(SyncEvent.objects.exists, WITHIN_S, f"the drain has begun\n{victim.output()}")
    with transaction.atomic():
        list(SyncSession.objects.select_for_update())  # now the next batch gets as far as its own transaction
        wait_until(a_transaction_waits, WITHIN_S, f"the worker writes\n{victim.output()}")
        victim.stop(signal.SIGKILL)
    at_kill, left = SyncEvent.objects.count(), waiting()
    assert 0 < at_kill < total
    assert at_kill + left >= total

    heir = worker()
    wait_until(lambda: SyncEvent.objects.count() >= total, WITHIN_S, f"all rows are there\n{heir.output()}")
    wait_until(lambda: waiting() == 0, WITHIN_S, "the outbox is empty")
    print(f"\n{total} events; at the kill {at_kill} rows and {left} entries waiting")

    assert SyncEvent.objects.count() == total
    assert dead() == []
    for history in histories:
        row = selectors.session_get(history.state.session_id)
        assert selectors.replayed_state(row) == history.state
        assert row.version == history.state.version
