"""Real Celery processes: rows come by themselves, and a worker that is killed in mid-drain loses nothing."""

import signal
import sys
import time

import pytest
from django.db import transaction

from audit import selectors
from audit.models import SyncEvent, SyncSession
from config.celery import app
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History, creation, dead, post, waiting
from tests.servers import DATA_DIR, Child, wait_until

EVENTS = 5_000
SESSIONS = 20


def celery(*arguments, **env):
    return Child([sys.executable, "-m", "celery", "-A", "config.celery", *arguments, "--loglevel", "WARNING"], env=env)


@pytest.fixture(scope="module")
def beat():
    """Beat, which sends the drain every second. It has no business with the database."""
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


def test_beat_sends_the_drain_every_second():
    """With a drain that takes less, a row can be read within two seconds of its transition."""
    assert [entry["schedule"] for entry in app.conf.beat_schedule.values() if "drain" in entry["task"]] == [1.0]


def test_a_row_can_be_read_without_anybody_asking_for_it(beat, worker, real):
    running = worker()
    session_id = real(creation()).session_id
    written = SyncEvent.objects.filter
    wait_until(written(version=1).exists, 30, f"the worker is up\n{running.output()}")
    # The worker's own first drain did that: the next row waits for beat, which may still be starting.
    wait_until(lambda: not redis_client.blocking_client().exists(keys.drain_lock(0)), 30, "the first drain is over")
    real(session_id, cmd.Start())
    wait_until(written(version=2).exists, 30, f"beat is up\n{beat.output()}")
    version = real(session_id, cmd.Switch()).version
    wait_until(written(version=version).exists, 30, f"the row is there\n{running.output()}")


def test_a_worker_killed_in_mid_drain_loses_nothing_and_repeats_nothing(beat, worker):
    histories = [History().played(EVENTS // SESSIONS) for _ in range(SESSIONS)]
    total = sum(history.state.sequence for history in histories)
    assert total >= EVENTS
    post(*(entry for together in zip(*(history.entries for history in histories), strict=True) for entry in together))

    victim = worker()
    wait_until(SyncEvent.objects.exists, 30, f"the drain has begun\n{victim.output()}")
    with transaction.atomic():
        list(SyncSession.objects.select_for_update())  # now the next batch gets as far as its own transaction
        time.sleep(0.5)
        victim.stop(signal.SIGKILL)
    at_kill, left = SyncEvent.objects.count(), waiting()
    assert 0 < at_kill < total
    assert at_kill + left >= total

    heir = worker()
    wait_until(lambda: SyncEvent.objects.count() >= total, 30, f"all rows are there\n{heir.output()}")
    wait_until(lambda: waiting() == 0, 30, "the outbox is empty")
    print(f"\n{total} events; at the kill {at_kill} rows and {left} entries waiting")

    assert SyncEvent.objects.count() == total
    assert dead() == []
    for history in histories:
        row = selectors.session_get(history.state.session_id)
        assert selectors.replayed_state(row) == history.state
        assert row.version == history.state.version
