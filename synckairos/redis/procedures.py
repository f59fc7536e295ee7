"""A procedure driven without a task: each reply of the store carries it on, right where it comes in.

For the hottest of all requests: a task, its futures and their turns of the event loop cost more than the decision that
they wait for (docs/performance.md). This is for the plain case, one connection that is up and replies without errors;
whatever else may happen goes on as a task, with all that `calls.arun` does about it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextvars import Context
from typing import Any, Generic, Protocol, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from synckairos.redis import client as stores
from synckairos.redis.pipelined_connection import Line, Replies
from synckairos.redis.scripts import Call, Steps, Together, answered, arun, commands_of, instead_of

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

_tasks: set[asyncio.Task[None]] = set()


class Waiter(Protocol[T_contra]):
    """Who is told how a procedure has ended. Must not raise."""

    def done(self, result: T_contra) -> None:
        """With this."""

    def failed(self, error: Exception) -> None:
        """With what `arun` would raise."""


def drive(steps: Steps[T], waiter: Waiter[T], context: Context) -> None:
    """Drive a procedure on the running loop, in a context, and tell somebody how it has ended: now or later."""
    context.run(_Drive(steps, waiter, context).go_on, None)


async def tell(end: Awaitable[T], waiter: Waiter[T]) -> None:
    """Wait for the end of something, and tell somebody."""
    try:
        result = await end
    except Exception as error:  # noqa: BLE001 - whoever waits is told
        waiter.failed(error)
    else:
        waiter.done(result)


class _Drive(Generic[T]):
    """One procedure on its way."""

    __slots__ = ("_began_s", "_call", "_context", "_steps", "_waiter")

    def __init__(self, steps: Steps[T], waiter: Waiter[T], context: Context) -> None:
        self._steps = steps
        self._waiter = waiter
        self._context = context
        self._call: Call[Any] | Together
        self._began_s = 0.0

    def go_on(self, reply: Any) -> None:
        """Up to the next call, or to the end."""
        try:
            self._call = call = self._steps.send(reply)
        except StopIteration as end:
            self._waiter.done(end.value)
            return
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._waiter.failed(error)
            return
        try:
            line = stores.scripts()
            self._began_s = time.monotonic()
            calls = call.calls if isinstance(call, Together) else (call,)
            is_asked = isinstance(line, Line) and line.ask(commands_of(calls), self._told)
        except Exception as error:  # noqa: BLE001 - likewise
            self._waiter.failed(error)
            return
        if not is_asked:
            self._go_slow()

    def _told(self, replies: Replies | Exception) -> None:
        self._context.run(self._take, replies)

    def _take(self, replies: Replies | Exception) -> None:
        try:
            # What has befallen the connection has befallen each.
            replies = [replies] if isinstance(replies, Exception) else replies
            try:
                reply = answered(self._call, replies, self._began_s)
            except stores.FAULTS as error:
                if isinstance(error, (RedisConnectionError, NoScriptError)):
                    self._go_slow()  # asked again: what was done already is known by its command id
                    return
                reply = instead_of(self._call, error)
        except Exception as error:  # noqa: BLE001 - likewise
            self._waiter.failed(error)
        else:
            self.go_on(reply)

    def _go_slow(self) -> None:
        slowly = tell(arun(self._steps, self._call), self._waiter)
        task = asyncio.get_running_loop().create_task(slowly, context=self._context)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
