"""Reads are signs of life, and cost a round trip more only when that is worth noting."""

from __future__ import annotations

import pytest

from sessions.services import retention
from sessions.services import sessions as service
from sessions.services.retention import _ActivityNotes
from synckairos.auth.principal import SYSTEM
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.sessions.timekeeping.test_timekeeper_abandoning import COUNTING, DAY, ago, check_at


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """The store keeps what a test says was done long ago; the process has just started."""
    monkeypatch.setattr(retention, "GRACE_MS", 400 * DAY)
    monkeypatch.setattr(retention, "_notes", _ActivityNotes())


def test_a_read_of_a_session_that_was_commanded_lately_costs_no_more():
    clock = ago(0.5)
    session_id = clock.start(**COUNTING)
    before = check_at(session_id)
    ago(0).run(service.get(session_id, SYSTEM))
    assert check_at(session_id) == before == clock.now_ms + 30 * DAY


def test_reads_of_a_session_that_is_idle_for_long_are_noted_once_a_day_by_each_process():
    session_id = ago(10).start(**COUNTING)
    noted = []
    for days in (3, 3, 2.5, 1.9, 1.8):
        ago(days).run(service.get(session_id, SYSTEM))
        noted.append(check_at(session_id))
        redis_client.blocking_client().zadd(keys.idle(0), {str(session_id): 1})
    assert [bool(at_ms > 1) for at_ms in noted] == [True, False, False, True, False]
