"""Deadlines are applied by themselves, on time, once, and one broken session does not stop the others."""

from __future__ import annotations

import asyncio
import signal
import time
from uuid import UUID, uuid4

import pytest

from sessions.timekeeping.keeper import LONGEST_SLEEP_S, Timekeeper
from synckairos import stored_state
from synckairos.engine.commands import Pause
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.clocked import Clock
from tests.sockets import screen


def run(*steps):
    async def main():
        keeper = Timekeeper()
        try:
            return [await keeper.apply_shard(0) for _ in range(*steps or (1,))]
        finally:
            await redis_client.close_async_client()

    return asyncio.run(main())


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


@pytest.fixture
def a_minute_ago():
    return Clock(int(time.time() * 1000) - 60_000)


def test_what_is_due_is_applied_as_of_its_own_instant(a_minute_ago):
    session_id = a_minute_ago.start(bank_ms=20_000, action_on_timeout={"type": "end_session"})
    run()
    state = stored(session_id)
    assert state.status == "expired"
    assert state.completed_ms == a_minute_ago.now_ms + 20_000


def test_a_scheduled_session_starts_by_itself(a_minute_ago):
    session_id = a_minute_ago.create(start_at_ms=a_minute_ago.now_ms + 1_000)
    run()
    assert stored(session_id).started_ms == a_minute_ago.now_ms + 1_000


def test_a_paused_session_and_one_whose_time_has_not_come_are_left_alone(a_minute_ago):
    paused = a_minute_ago.start(bank_ms=30_000)
    a_minute_ago.do(paused, Pause())
    later = a_minute_ago.start(bank_ms=600_000)
    before = stored(paused), stored(later)
    assert 0 < run()[0] <= 0.25
    assert (stored(paused), stored(later)) == before


def test_a_broken_session_is_set_aside_and_the_others_go_on(a_minute_ago, caplog):
    broken, whole, gone = (a_minute_ago.start(bank_ms=20_000) for _ in range(3))
    client = redis_client.blocking_client()
    client.set(keys.state(broken), b"0123abcd" + b"\0" * 8 + b"nonsense")
    client.delete(keys.state(gone))
    assert run(2)[1] > 0
    assert stored(whole).participants[0].has_expired
    assert client.zrange(keys.set_aside(0), 0, -1) == [str(broken).encode()]
    assert client.zrange(keys.deadlines(0), 0, -1) == []
    assert "deadline set aside" in caplog.text


def test_two_timekeepers_apply_a_deadline_once(a_minute_ago):
    ids = [
        a_minute_ago.start(
            sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=7_000, action_on_timeout={"type": "skip_cycle"}
        )
        for _ in range(20)
    ]

    async def both():
        try:
            await asyncio.gather(*(Timekeeper().apply_shard(0) for _ in range(2)))
        finally:
            await redis_client.close_async_client()

    asyncio.run(both())
    for session_id in ids:
        assert stored(session_id).cycle.number == 8
        assert stored(session_id).version == 10


@pytest.mark.parametrize(("left_ms", "longest_s"), [(100, 0.1), (10_000, LONGEST_SLEEP_S)])
def test_it_sleeps_no_longer_than_to_the_next_deadline(left_ms, longest_s):
    """With the wake-ups, that is what makes expiries punctual."""
    now_ms = int(time.time() * 1000)
    Clock(now_ms).start(bank_ms=60_000)
    Clock(now_ms).start(bank_ms=left_ms)
    assert run()[0] <= longest_s


async def test_the_command_expires_a_clock_and_every_screen_hears_of_it(webs, api, token, capsys):
    keeper = servers.managed("timekeeper")
    try:
        seats = [{"participant_id": str(uuid4()), "total_time_ms": 1_500} for _ in range(2)]
        body = {
            "sync_mode": "per_participant",
            "participants": seats,
            "warning_thresholds_ms": [500],
            "action_on_timeout": {"type": "end_session"},
        }
        session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
        async with screen(webs[1], session_id, token) as viewer:
            await viewer.until("CONNECTED")
            # The keeper is surely up once it has applied a first deadline.
            first = {
                **body,
                "start_at": "2026-01-01T00:00:00.000Z",
                "participants": [{**seats[0], "total_time_ms": 1_000}],
            }
            probe = api.post("/v1/sessions", json=first).json()["data"]["session_id"]
            servers.wait_until(lambda: stored(UUID(probe)).status == "expired", 30, "the timekeeper is at work")
            state = api.post(f"/v1/sessions/{session_id}/start").json()["data"]
            warning = await viewer.until("TIME_WARNING")
            expired = await viewer.until("TIME_EXPIRED")
            update = await viewer.until_version(4)
    finally:
        assert keeper.stop(signal.SIGTERM) == 0
    assert (warning["threshold_ms"], warning["time_remaining_ms"]) == (500, 500)
    assert warning["participant_id"] == expired["expired_participant_id"] == seats[0]["participant_id"]
    assert expired["expired_at"] == state["deadline_at"]
    assert expired["action_applied"] == {"type": "end_session", "winner": seats[1]["participant_id"]}
    assert update["state"]["status"] == "expired"
    assert [event["type"] for event in update["events"]] == ["participant.expired", "session.expired"]
    late_ms = update["timestamp"] - (state["server_time_ms"] + 1_500)
    with capsys.disabled():
        print(f"\ntimekeeper: {late_ms} ms from the deadline to its commit")
    assert late_ms >= 0
