"""More deadlines than can be applied at once: one owner's thousand do not stand before the others'."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from sessions.services import sessions as service
from sessions.services.outcome import Caller
from sessions.timekeeping import shard_allocation as sharing
from sessions.timekeeping.keeper import Timekeeper
from sessions.timekeeping.shard_allocation import (
    BATCH,
    BATCH_WEIGHT,
    UNKNOWN_WEIGHT,
    FairShares,
    OverdueWindow,
    weight_of,
)
from synckairos import stored_state
from synckairos.auth.principal import Principal
from synckairos.engine import SyncMode
from synckairos.engine.commands import Complete, Create, Seat, Start
from synckairos.engine.state import Access
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests.clocked import Clock

CYCLE_MS = 3_600_000
"""Long, so that what has been applied is not due again before all of it has been, however slow the machine is."""


def stored(session_id: UUID):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def running(owner, seats=2):
    """A session that switches by itself."""
    clock = Clock(int(time.time() * 1000))
    caller = Caller(Principal(owner, is_staff=False, expires_s=2**40), "test")
    asked = Create.of(
        SyncMode.PER_CYCLE,
        tuple(Seat(uuid4(), 60_000) for _ in range(seats)),
        time_per_cycle_ms=CYCLE_MS,
        auto_advance=True,
        access=Access(owner),
    )
    session_id = clock.run(service.create(asked, None, caller)).state.session_id
    clock.run(service.execute(session_id, Start(), caller))
    return session_id


def overdue(*session_ids: UUID):
    """Their deadlines have come, the first one's first: by the set, and by their states."""
    for place, session_id in enumerate(session_ids):
        state = stored(session_id)
        long_ago = int(time.time() * 1000) - CYCLE_MS - 20_000 + place
        aged = replace(state, updated_ms=long_ago, cycle=replace(state.cycle, started_ms=long_ago))
        redis_client.blocking_client().set(keys.state(session_id), stored_state.encode_state(aged), keepttl=True)
        redis_client.blocking_client().zadd(keys.deadlines(0), {str(session_id): long_ago + CYCLE_MS})


def played(play):
    async def main():
        try:
            return await play(Timekeeper())
        finally:
            await redis_client.close_async_client()

    return asyncio.run(main())


async def all_applied(keeper):
    while redis_client.blocking_client().zcount(keys.deadlines(0), "-inf", time.time() * 1000):
        await keeper.apply_shard(0)


def test_an_owner_with_many_deadlines_does_not_stand_before_one_with_few():
    many = [running("mallory") for _ in range(2 * BATCH)]
    few = [running("bob"), running("carol")]

    async def play(keeper):
        overdue(*many, *few)
        await all_applied(keeper)  # from here on it knows whose they are
        overdue(*many, *few)  # theirs have come last
        before = {session_id: stored(session_id).version for session_id in [*many, *few]}
        await keeper.apply_shard(0)
        return {session_id for session_id, version in before.items() if stored(session_id).version > version}

    applied = played(play)
    assert set(few) <= applied
    assert len(applied) == BATCH


def test_nobody_waits_for_ever_and_of_one_owner_the_longest_overdue_comes_first():
    many = [running("mallory") for _ in range(2 * BATCH)]

    async def play(keeper):
        overdue(*many)
        await all_applied(keeper)
        overdue(*reversed(many))
        before = [stored(session_id).version for session_id in many]
        await keeper.apply_shard(0)
        first = [stored(session_id).version > version for session_id, version in zip(many, before, strict=True)]
        await all_applied(keeper)
        last = [stored(session_id).version > version for session_id, version in zip(many, before, strict=True)]
        return first, last

    first, last = played(play)
    assert first == [False] * BATCH + [True] * BATCH
    assert all(last)


def test_a_large_session_weighs_what_it_costs():
    small, large = running("bob"), running("mallory", seats=1_000)
    shares = FairShares()
    for session_id in (small, large):
        shares.charge(stored(session_id))
    assert shares.spent("mallory") == weight_of(stored(large)) == 1_060
    assert shares.spent("bob") == 62
    others = [uuid4() for _ in range(100)]
    for other in others:
        shares._known[other] = "mallory", 1_060
    window = OverdueWindow(dict.fromkeys([*others, small], 0), shares)
    assert window.batch() == [small, others[0]]
    assert window.batch() == [others[1]]  # two would be too heavy together with nothing else due


def test_one_that_is_heavier_than_a_batch_is_taken_up_alone():
    shares, huge = FairShares(), uuid4()
    shares._known[huge] = "mallory", 2 * BATCH_WEIGHT
    window = OverdueWindow(dict.fromkeys([huge, uuid4()], 0), shares)
    assert len(window.batch()) == 1


def test_what_is_not_known_counts_as_an_owner_of_its_own():
    window = OverdueWindow({uuid4(): 0 for _ in range(100)}, FairShares())
    assert len(window.batch()) == BATCH_WEIGHT // UNKNOWN_WEIGHT == BATCH


def test_what_an_owner_has_cost_long_ago_counts_no_more(monkeypatch):
    shares = FairShares()
    shares.charge(stored(running("mallory")))
    at_s = time.monotonic()
    for later_s, left in ((0.1, 62), (1.1, 31), (60, 0)):
        monkeypatch.setattr(sharing.time, "monotonic", lambda later_s=later_s: at_s + later_s)
        shares.decay()
        assert shares.spent("mallory") == pytest.approx(left, rel=0.1)


def test_sessions_that_are_over_are_forgotten():
    shares, session_id = FairShares(), running("bob")
    shares.charge(stored(session_id))
    assert shares.owner_and_weight(session_id) == ("bob", 62)
    caller = Caller(Principal("bob", is_staff=False, expires_s=2**40), "test")
    run_blocking(service.execute(session_id, Complete(), caller))
    shares.charge(stored(session_id))
    assert shares.owner_and_weight(session_id)[0] != "bob"
