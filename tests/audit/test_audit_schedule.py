"""Beat does not fill the store while no worker takes its tasks."""

from __future__ import annotations

import pytest

from audit.schedule import MOST_WAITING, PatientScheduler
from config.celery import app
from synckairos import redis as stores
from tests.filling import full


@pytest.fixture(scope="module", autouse=True)
def _pool():
    """Connections to the broker are left to nobody."""
    yield
    app.pool.force_close_all()


def waiting() -> int:
    keys = [key for key in stores.client().scan_iter("sk-celery:*") if stores.client().type(key) == b"list"]
    return sum(stores.client().llen(key) for key in keys)


def test_only_a_few_tasks_wait_for_a_worker_that_does_not_come(tmp_path):
    scheduler = PatientScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
    scheduler.setup_schedule()
    entry = scheduler.schedule["drain the outbox"]
    try:
        for _ in range(3 * MOST_WAITING):
            scheduler.apply_async(entry, advance=False)
        assert waiting() == MOST_WAITING
    finally:
        scheduler.close()


def test_a_broker_that_is_full_is_said_once_and_beat_goes_on(tmp_path, caplog):
    scheduler = PatientScheduler(app=app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
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
