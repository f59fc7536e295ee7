"""Beat does not fill the store while no worker takes its tasks."""

from __future__ import annotations

import signal
import weakref

import pytest
from celery import beat
from kombu import pools

from audit.schedule import MAX_QUEUED, MAX_QUEUED_DRAINS, BackpressureScheduler
from config.celery import app
from synckairos.redis import client as redis_client
from tests.filling import full


@pytest.fixture(scope="module", autouse=True)
def _pool():
    """Connections to the broker are left to nobody, and the next test of this process gets pools that are open."""
    yield
    pools.reset()
    app._after_fork()  # it forgets the pools that are closed


def waiting() -> int:
    keys = [
        key
        for key in redis_client.blocking_client().scan_iter("sk-celery:*")
        if redis_client.blocking_client().type(key) == b"list"
    ]
    return sum(redis_client.blocking_client().llen(key) for key in keys)


def test_only_a_few_tasks_wait_for_a_worker_that_does_not_come(tmp_path):
    scheduler = BackpressureScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
    scheduler.setup_schedule()
    entry = scheduler.schedule["drain the outbox"]
    try:
        for _ in range(3 * MAX_QUEUED):
            scheduler.apply_async(entry, advance=False)
        assert waiting() == MAX_QUEUED_DRAINS
        # Workers that drain leave drains in the queue for long, and nothing else has to wait for that.
        for _ in range(3 * MAX_QUEUED):
            scheduler.apply_async(scheduler.schedule["forget expired refresh tokens"], advance=False)
        assert waiting() == MAX_QUEUED > MAX_QUEUED_DRAINS
    finally:
        scheduler.close()


def test_a_broker_that_is_full_is_said_once_and_beat_goes_on(tmp_path, caplog):
    scheduler = BackpressureScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
    scheduler.setup_schedule()
    entry = scheduler.schedule["drain the outbox"]
    try:
        with full():
            for _ in range(3):
                assert scheduler.apply_async(entry, advance=False) is None
        assert caplog.text.count("the broker is full") == 1
        scheduler.apply_async(entry, advance=False)
        assert waiting() == 1
    finally:
        scheduler.close()


class _Told(BackpressureScheduler):
    """A scheduler during whose first turn beat is told to end, where Python throws away whatever is raised."""

    turns = 0

    def tick(self, *args, **kwargs):
        self.turns += 1
        assert self.turns == 1, "beat goes on"
        passing = Passing()
        watched = weakref.ref(passing, lambda _: signal.raise_signal(signal.SIGTERM))
        del passing
        assert watched() is None
        return 0


class Passing:
    """Something that goes."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_beat_ends_also_when_its_signal_comes_where_what_is_raised_is_thrown_away(tmp_path):
    service = beat.Service(app, scheduler_cls=_Told, schedule_filename=str(tmp_path / "schedule"))
    before = {sig: signal.getsignal(sig) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        app.Beat().install_sync_handler(service)
        service.start()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    assert service.scheduler.turns == 1
    assert service._is_stopped.is_set()
