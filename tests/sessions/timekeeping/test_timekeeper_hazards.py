"""Clock hazards, each with its stated result (docs/clock.md)."""

from __future__ import annotations

import asyncio
import signal
import time
from uuid import UUID

import pytest
from redis.exceptions import RedisClusterException

from sessions.services import deadlines
from sessions.services.deadlines import DeadlineStatus, apply_due
from sessions.timekeeping.keeper import Timekeeper
from synckairos import stored_state
from synckairos.engine.commands import AdjustTime, Delete, Pause, Switch
from synckairos.engine.units import SyncMode
from synckairos.ops import timekeepers
from synckairos.redis import client as redis_client
from synckairos.redis import keys, procedures
from synckairos.redis.scripts import send_blocking
from tests import servers
from tests.clocked import Clock

MINUTES_MS = 5 * 60_000


def now_ms() -> int:
    return int(time.time() * 1000)


def stored(session_id: UUID):
    data = redis_client.blocking_client().get(keys.state(session_id))
    return None if data is None else stored_state.decode_state(data)


def tick() -> None:
    async def main():
        try:
            await Timekeeper().apply_shard(0)
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())


@pytest.fixture
def keeper():
    child = servers.managed("timekeeper")
    servers.wait_until(lambda: send_blocking(timekeepers.shard_status(0)).holder, 30, "it serves")
    yield child
    child.stop(signal.SIGKILL)


def ends(clock: Clock, bank_ms: int) -> UUID:
    return clock.start(bank_ms=bank_ms, action_on_timeout={"type": "end_session"})


def test_when_the_stores_clock_steps_forward_what_was_skipped_is_due_at_once_and_as_of_its_instant():
    before = Clock(now_ms() - MINUTES_MS)
    session_id = ends(before, 60_000)
    tick()
    assert stored(session_id).completed_ms == before.now_ms + 60_000


def test_when_the_stores_clock_steps_back_nothing_fires_early_and_no_time_is_taken_back():
    ahead = Clock(now_ms() + MINUTES_MS)
    session_id = ends(ahead, 60_000)
    before = stored(session_id)
    tick()
    assert stored(session_id) == before
    after = Clock(now_ms()).do(session_id, Switch()).state
    assert after.updated_ms == before.updated_ms
    assert [seat.time_used_ms for seat in after.participants] == [0, 0]


def test_a_session_paused_deleted_or_given_time_while_its_deadline_is_applied_is_left_as_it_is(monkeypatch):
    past = Clock(now_ms() - 60_000)
    ids = [ends(past, 20_000) for _ in range(3)]
    early = Clock(past.now_ms + 10_000)
    first_pipeline = procedures.send_all
    seats = stored(ids[2]).participants
    meanwhile = [
        (ids[0], Pause()),
        (ids[1], Delete()),
        (ids[2], AdjustTime(seats[0].participant_id, total_time_ms=600_000)),
    ]

    async def with_interference(calls):
        loaded = await first_pipeline(calls)
        while meanwhile:
            session_id, command = meanwhile.pop()
            await asyncio.to_thread(early.do, session_id, command)
        return loaded

    async def main():
        try:
            return await apply_due(ids)
        finally:
            await redis_client.close_async_client()

    monkeypatch.setattr(procedures, "send_all", with_interference)
    fates = {applied.session_id: applied.status for applied in asyncio.run(main())}
    nothing_due = DeadlineStatus.NOTHING_DUE
    assert fates == {ids[0]: nothing_due, ids[1]: DeadlineStatus.GONE, ids[2]: nothing_due}
    assert stored(ids[0]).status == "paused"
    assert stored(ids[1]) is None
    assert stored(ids[2]).participants[0].total_time_ms == 600_000


async def test_a_deadline_that_becomes_the_earliest_wakes_the_sleeper(monkeypatch):
    """It would sleep for an hour otherwise, and renew its leases in between: a round of its own shows nothing new."""
    monkeypatch.setattr("sessions.timekeeping.keeper.LONGEST_SLEEP_S", 3_600)
    monkeypatch.setattr("sessions.timekeeping.leases.RENEW_EVERY_S", 3_600)
    monkeypatch.setattr("sessions.timekeeping.leases.LEASE_S", 7_200)
    slept_for_s, keeper = [], Timekeeper()

    async def noted_sleep(seconds, sleep=keeper._wakeups.sleep):
        slept_for_s.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(keeper._wakeups, "sleep", noted_sleep)
    running = asyncio.create_task(keeper.run())

    async def until(condition, what):
        await asyncio.to_thread(servers.wait_until, condition, 30, what)

    await until(
        lambda: redis_client.blocking_client().pubsub_numsub(keys.wake_channel(0))[0][1], "it listens for wake-ups"
    )
    clock = Clock(now_ms())
    for left_ms in (60, 110, 170):
        session_id = await asyncio.to_thread(ends, clock, 3_600_000)
        await until(lambda: slept_for_s and slept_for_s[-1] > 3_000, "it sleeps for long")
        seat = stored(session_id).participants[0].participant_id
        clock.now_ms = now_ms()
        await asyncio.to_thread(clock.do, session_id, AdjustTime(seat, total_time_ms=left_ms))
        await until(lambda session_id=session_id: stored(session_id).status == "expired", "it has expired")
    keeper.stop()
    await running
    await redis_client.close_async_client()


@pytest.mark.parametrize("for_ms", [0, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_suspended_timekeeper_catches_up_when_it_goes_on(keeper, for_ms):
    keeper.process.send_signal(signal.SIGSTOP)
    clock = Clock(now_ms() - 60_000)
    ids = [ends(clock, 1_000 + 100 * number) for number in range(20)]
    servers.wait_until(lambda: not send_blocking(timekeepers.shard_status(0)).holder, 30, "its lease is over")
    servers.wait_until(lambda: now_ms() > clock.now_ms + 60_000 + for_ms, 30, "it has been away for so long")
    assert all(stored(session_id).status == "running" for session_id in ids)
    keeper.process.send_signal(signal.SIGCONT)
    servers.wait_until(lambda: all(stored(i).status == "expired" for i in ids), 30, "all are applied")
    assert [stored(i).completed_ms for i in ids] == [clock.now_ms + 1_000 + 100 * n for n in range(20)]


def test_after_a_restart_of_the_store_deadlines_fire_again(tmp_path, configure):
    own = servers.StoreServer(tmp_path, port=servers.free_port()).start()
    configure(redis_url=own.url)
    child = servers.managed("timekeeper", REDIS_URL=own.url)
    try:
        servers.wait_until(lambda: send_blocking(timekeepers.shard_status(0)).holder, 30, "it serves")
        clock = Clock(now_ms())
        session_id = ends(clock, 500)
        own.stop(signal.SIGKILL)
        servers.wait_until(lambda: now_ms() > clock.now_ms + 500, 30, "the deadline has passed")
        own.start()
        servers.wait_until(lambda: stored(session_id).status == "expired", 30, "it has expired")
        assert stored(session_id).completed_ms == clock.now_ms + 500
    finally:
        child.stop(signal.SIGKILL)
        own.stop()


def test_what_is_no_session_in_the_deadlines_is_taken_away_and_the_rest_goes_on():
    past = Clock(now_ms() - 60_000)
    session_id = ends(past, 20_000)
    redis_client.blocking_client().zadd(keys.deadlines(0), {"junk": 1})
    tick()
    assert stored(session_id).status == "expired"
    assert redis_client.blocking_client().zrange(keys.deadlines(0), 0, -1) == []


def test_a_store_that_refuses_one_session_puts_it_off_and_sets_nothing_aside(monkeypatch):
    past = Clock(now_ms() - 60_000)
    session_id = ends(past, 20_000)

    async def refused(calls):
        return [RedisClusterException("slot not covered") for _ in calls]

    monkeypatch.setattr(procedures, "send_all", refused)
    tick()
    assert redis_client.blocking_client().zrange(keys.deadlines(0), 0, -1) == [str(session_id).encode()]
    assert redis_client.blocking_client().zcard(keys.set_aside(0)) == 0


def test_sessions_with_long_arrears_do_not_hold_up_the_others():
    long_ago = Clock(now_ms() - 600_000)
    slow = [
        long_ago.start(sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=1_000, action_on_timeout={"type": "skip_cycle"})
        for _ in range(20)
    ]
    prompt = ends(Clock(now_ms() - 60_000), 20_000)
    tick()
    assert stored(prompt).status == "expired"
    assert all(stored(session_id).cycle.number == deadlines.PORTION for session_id in slow)
