"""The command queue: the commands of one session that come to one process run one after the other.

The commit script accepts one of several concurrent commands and sends the others back, so a hundred at once would be
decided five thousand times. In a queue each is decided once. The queue only saves work: commands of other processes are
concurrent all the same, and a command that has waited too long runs early.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from sessions.services.state_cache import state_cache
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis.procedures import (
    Completion,
    FutureCompletion,
    Procedure,
    run_blocking,
    run_from_thread,
    run_on_loop,
    server_loop,
)
from synckairos.redis.store_clock import store_clock

T = TypeVar("T")

MAX_WAIT_S = 1.0
"""The longest that a command waits for those before it."""

_queues: dict[int, deque[_Waiting[Any]]] = {}
"""The waiting commands of each session that has a running one, by the integer of its id, which hashes fast."""


def submit(
    session_id: UUID, procedure: Procedure[T], completion: Completion[T], context: Context
) -> _Waiting[T] | None:
    """Run a procedure that commands a session on the running loop, in a context, after those that came before.

    Return its place in the queue; None when it runs at once.
    """
    store_clock.refresh_in_background()
    number = session_id.int
    waiting = _queues.get(number)
    if waiting is None:
        _queues[number] = deque()
        run_on_loop(procedure, _Running(number, completion), context)
        return None
    place = _Waiting(number, waiting, procedure, completion, context)
    waiting.append(place)
    return place


async def run_in_order(session_id: UUID, procedure: Procedure[T]) -> T:
    """Submit a procedure that commands a session, and return its result. Raises what the procedure raises."""
    result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    place = submit(session_id, procedure, FutureCompletion(result), copy_context())
    try:
        return await result
    except asyncio.CancelledError:
        if place is not None:
            place.is_abandoned = True
        raise


def run_in_order_from_thread(session_id: UUID, command: Callable[..., Procedure[T]], limiter: RateLimiter) -> T:
    """Submit a command to the server's loop from another thread, and return its result. Without a server, run it with
    the blocking client, without queue and cache. `command` takes a `limiter` and a `cache`."""
    if server_loop() is None:
        return run_blocking(command(limiter=limiter))
    return run_from_thread(command(limiter=limiter, cache=state_cache()), partial(submit, session_id))


class _Running(Generic[T]):
    """The completion of the running command of a session: it starts the next one."""

    __slots__ = ("_completion", "_number")

    def __init__(self, number: int, completion: Completion[T]) -> None:
        self._number = number
        self._completion = completion

    def done(self, result: T) -> None:
        _start_next(self._number)
        self._completion.done(result)

    def failed(self, error: Exception) -> None:
        _start_next(self._number)
        self._completion.failed(error)


class _Waiting(Generic[T]):
    """A command that waits for its turn."""

    __slots__ = ("_completion", "_context", "_number", "_procedure", "_queue", "is_abandoned", "timer")

    def __init__(
        self,
        number: int,
        queue: deque[_Waiting[Any]],
        procedure: Procedure[T],
        completion: Completion[T],
        context: Context,
    ) -> None:
        self._number = number
        self._queue = queue
        self._procedure = procedure
        self._completion = completion
        self._context = context
        self.timer = asyncio.get_running_loop().call_later(MAX_WAIT_S, self._start_early)
        self.is_abandoned = False
        """Its caller has given up: it does not run any more."""

    def start(self) -> None:
        """Run it as the running command of the session."""
        if self.is_abandoned:
            _start_next(self._number)
        else:
            run_on_loop(self._procedure, _Running(self._number, self._completion), self._context)

    def _start_early(self) -> None:
        self._queue.remove(self)
        if not self.is_abandoned:
            run_on_loop(self._procedure, self._completion, self._context)


def _start_next(number: int) -> None:
    queue = _queues[number]
    if queue:
        place = queue.popleft()
        place.timer.cancel()
        # In a turn of the loop of its own: commands that fail at once would nest by the hundred.
        asyncio.get_running_loop().call_soon(place.start)
    else:
        del _queues[number]
