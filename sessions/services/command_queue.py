"""Commands for one session that come to one process at once, one after the other.

The commit script lets one of them win and sends the others back, so a hundred at once would be decided five thousand
times. In turn each is decided once. Only work is saved here, nothing depends on it: other processes and doors race with
us all the same, and who has waited too long goes ahead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import Generic, TypeVar
from uuid import UUID

from sessions.services import optimistic
from sessions.services.outcome import Caller, Outcome
from sessions.services.state_cache import memory
from synckairos import background
from synckairos.engine.commands import Command
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis.procedures import Completion, Procedure, complete, run_async, run_on_loop
from synckairos.redis.store_clock import store_clock

T = TypeVar("T")

LONGEST_WAIT_S = 1.0


_turns: dict[int, deque[asyncio.Future[None]]] = {}
"""Sessions that somebody is at, each with those who wait for it; by the number of its id, which hashes fast."""


async def carry_out(session_id: UUID, command: Command, caller: Caller, limiter: RateLimiter) -> Outcome:
    """Apply a command in its turn, each on what the last one has left. Raises what `at_once.execute` does."""
    return await in_turn(session_id, steps_of(session_id, command, caller, limiter))


def steps_of(session_id: UUID, command: Command, caller: Caller, limiter: RateLimiter) -> Procedure[Outcome]:
    """The procedure of a command, whose turn it is when it is driven."""
    store_clock.freshen()
    return optimistic.execute(session_id, command, caller, limiter, memory())


def drive_in_turn(session_id: UUID, steps: Procedure[T], waiter: Completion[T], context: Context) -> None:
    """The same as `in_turn`, without a task where nobody is before us; `waiter` is told how it has ended."""
    number = session_id.int
    if number in _turns:
        background.start(complete(in_turn(session_id, steps), waiter), "in turn", context)
        return
    waiting = _turns[number] = deque()
    run_on_loop(steps, _InTurn(number, waiting, waiter), context)


class _InTurn(Generic[T]):
    """Who has the turn, and passes it on."""

    __slots__ = ("_number", "_waiter", "_waiting")

    def __init__(self, number: int, waiting: deque[asyncio.Future[None]], waiter: Completion[T]) -> None:
        self._number = number
        self._waiting = waiting
        self._waiter = waiter

    def done(self, result: T) -> None:
        _pass_on(self._number, self._waiting)
        self._waiter.done(result)

    def failed(self, error: Exception) -> None:
        _pass_on(self._number, self._waiting)
        self._waiter.failed(error)


async def in_turn(session_id: UUID, steps: Procedure[T]) -> T:
    """Drive a procedure that commands this session, after those that came before. Raises what `run_async` raises."""
    number = session_id.int
    waiting = _turns.get(number)
    if waiting is None:
        waiting, has_it = _turns.setdefault(number, deque()), True
    else:
        has_it = await _turn(number, waiting)
    try:
        return await run_async(steps)
    finally:
        if has_it:
            _pass_on(number, waiting)


async def _turn(number: int, waiting: deque[asyncio.Future[None]]) -> bool:
    """Wait for it; False when that takes too long."""
    mine = asyncio.get_running_loop().create_future()
    waiting.append(mine)
    try:
        async with asyncio.timeout(LONGEST_WAIT_S):
            await mine
    except TimeoutError:
        return not mine.cancelled()  # it may have come at the last moment
    except asyncio.CancelledError:
        if not mine.cancelled():
            _pass_on(number, waiting)
        raise
    return True


def _pass_on(number: int, waiting: deque[asyncio.Future[None]]) -> None:
    while waiting:
        next_one = waiting.popleft()
        if not next_one.done():  # who has given up is done
            next_one.set_result(None)
            return
    del _turns[number]
