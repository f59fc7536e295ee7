"""Procedures: generators that yield requests to the store and return a result, and the drivers that run them.

The store and the services are written once, without I/O. A driver sends what a procedure yields, and sends the result
back into it: `run_async` in a coroutine, `run_on_loop` by callbacks (a task, its futures and their turns of the event
loop cost more than the decision of a switch: docs/performance.md), `run_from_thread` on the server's loop for a thread,
and `run_blocking` where there is no loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from synckairos import background
from synckairos.errors import ServiceUnavailable
from synckairos.redis import client as redis_client
from synckairos.redis.pipelined_connection import PipelinedConnection, Replies
from synckairos.redis.scripts import (
    Call,
    Pipeline,
    Request,
    calls_of,
    commands_of,
    parse_replies,
    result_of_fault,
    send,
    send_all,
    send_blocking,
)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Procedure: TypeAlias = Generator[Request, Any, T]
"""A generator that yields requests, and returns a T."""


class Completion(Protocol[T_contra]):
    """The callbacks for the end of a procedure. They must not raise."""

    def done(self, result: T_contra) -> None:
        """Receive the result of the procedure."""

    def failed(self, error: Exception) -> None:
        """Take the error that `run_async` would raise."""


Start: TypeAlias = Callable[[Procedure[T], Completion[T], Context], Any]
"""A function such as `run_on_loop`."""

THREAD_TIMEOUT_S = 30.0
"""Longest wait of a thread for a procedure on the server's loop."""
_CHECK_LOOP_S = 0.5
"""Seconds after which a waiting thread checks that the loop still exists: the end of the process waits for threads."""

_server_loop: asyncio.AbstractEventLoop | None = None


def perform(call: Call[T]) -> Procedure[T]:
    """Yield one call and return its result: `result = yield from perform(call)`."""
    result: T = yield call
    return result


def in_parallel(first: Procedure[None], then: Procedure[T]) -> Procedure[T]:
    """Run two procedures with their first calls in one round trip. `first` makes one call or none; an error of either
    ends both."""
    first_call = next(first, None)
    try:
        request = next(then)
    except BaseException:
        if first_call is not None:
            _finish(first, (yield first_call))
        raise
    if first_call is None:
        result = yield request
    else:
        first_result, *results = yield Pipeline(cast("Call[Any]", first_call), *calls_of(request))
        result = results if isinstance(request, Pipeline) else results[0]
        try:
            _finish(first, first_result)
        except BaseException:
            then.close()
            raise
    while True:
        try:
            request = then.send(result)
        except StopIteration as end:
            returned: T = end.value
            return returned
        result = yield request


def _finish(procedure: Procedure[None], result: Any) -> None:
    with suppress(StopIteration):
        procedure.send(result)


def run_blocking(procedure: Procedure[T]) -> T:
    """Run a procedure with the blocking client, where no event loop serves. Raises ServiceUnavailable when the store
    cannot serve."""
    result = None
    while True:
        try:
            request = procedure.send(result)
        except StopIteration as end:
            returned: T = end.value
            return returned
        result = send_blocking(request)


async def run_async(procedure: Procedure[T], request: Request | None = None) -> T:
    """Run a procedure on the running loop; one that has begun continues from the request that it has yielded. Raises
    ServiceUnavailable when the store cannot serve."""
    try:
        if request is None:
            request = next(procedure)
        while True:
            request = procedure.send(await send(request))
    except StopIteration as end:
        returned: T = end.value
        return returned


async def run_many(procedures: Sequence[Procedure[T]]) -> list[T]:
    """Run procedures that yield single calls side by side, the calls of each step in one round trip; return their
    results in order. The error of a call is raised in its procedure. Raises what a procedure raises, and
    ServiceUnavailable when the store cannot serve."""
    results: dict[int, T] = {}
    replies: dict[int, Any] = dict.fromkeys(range(len(procedures)))
    while replies:
        calls: dict[int, Call[Any]] = {}
        for index, reply in replies.items():
            procedure = procedures[index]
            try:
                request = procedure.throw(reply) if isinstance(reply, Exception) else procedure.send(reply)
            except StopIteration as end:
                results[index] = end.value
            else:
                calls[index] = cast("Call[Any]", request)
        replies = dict(zip(calls, await send_all([*calls.values()]), strict=True)) if calls else {}
    return [results[index] for index in range(len(procedures))]


def run_on_loop(procedure: Procedure[T], completion: Completion[T], context: Context) -> None:
    """Run a procedure on the running loop, in a context, without a task: each reply of the store continues it. Calls
    the completion at the end, which may be before this returns.

    This serves the plain case: a connection that is open, and replies without errors. Anything else continues as a
    task, by `run_async`.
    """
    context.run(_Run(procedure, completion, context).resume, None)


class FutureCompletion(Generic[T]):
    """A completion that sets the result of a future, of an event loop or of a thread."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[T] | concurrent.futures.Future[T]) -> None:
        self._future = future

    def done(self, result: T) -> None:
        """Set the result, unless the caller has given up."""
        if not self._future.done():
            self._future.set_result(result)

    def failed(self, error: Exception) -> None:
        """Set the error, unless the caller has given up."""
        if not self._future.done():
            self._future.set_exception(error)


def set_server_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Let threads run their procedures on this loop, which serves requests; None before it stops."""
    global _server_loop  # noqa: PLW0603 - a process has one
    _server_loop = loop


def server_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that serves requests in this process; None in a process without a server."""
    return _server_loop


def run_from_thread(procedure: Procedure[T], start: Start[T] = run_on_loop) -> T:
    """Run a procedure on the server's loop from another thread, and return its result; without a server, run it with
    the blocking client. Raises ServiceUnavailable when the store cannot serve, or the loop does not in time."""
    loop = _server_loop
    if loop is None:
        return run_blocking(procedure)
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    try:
        loop.call_soon_threadsafe(start, procedure, FutureCompletion(result), copy_context())
    except RuntimeError:  # the loop is closed
        raise ServiceUnavailable from None
    deadline_s = time.monotonic() + THREAD_TIMEOUT_S
    while True:
        try:
            return result.result(min(THREAD_TIMEOUT_S, _CHECK_LOOP_S))
        except concurrent.futures.TimeoutError:
            if result.done() or loop.is_closed() or time.monotonic() >= deadline_s:
                raise ServiceUnavailable from None


async def complete(result: Awaitable[T], completion: Completion[T]) -> None:
    """Await a result, and call the completion."""
    try:
        value = await result
    except asyncio.CancelledError:
        completion.failed(ServiceUnavailable())  # or the commands queued behind it would wait for it
        raise
    except Exception as error:  # noqa: BLE001 - the completion handles it
        completion.failed(error)
    else:
        completion.done(value)


class _Run(Generic[T]):
    """One procedure that `run_on_loop` runs."""

    __slots__ = ("_completion", "_context", "_procedure", "_request", "_sent_s")

    def __init__(self, procedure: Procedure[T], completion: Completion[T], context: Context) -> None:
        self._procedure = procedure
        self._completion = completion
        self._context = context
        self._request: Request
        self._sent_s = 0.0

    def resume(self, result: Any) -> None:
        """Run the procedure to its next request, and send that; or to its end."""
        try:
            self._request = request = self._procedure.send(result)
        except StopIteration as end:
            self._completion.done(end.value)
            return
        except Exception as error:  # noqa: BLE001 - the completion handles it
            self._completion.failed(error)
            return
        try:
            connection = redis_client.script_runner()
            self._sent_s = time.monotonic()
            is_sent = isinstance(connection, PipelinedConnection) and connection.send(
                commands_of(calls_of(request)), self._on_replies
            )
        except Exception as error:  # noqa: BLE001 - likewise
            self._completion.failed(error)
            return
        if not is_sent:
            self._continue_as_task()

    def _on_replies(self, replies: Replies | Exception) -> None:
        self._context.run(self._take, replies)

    def _take(self, replies: Replies | Exception) -> None:
        try:
            # An error of the connection is an error of each call.
            replies = [replies] if isinstance(replies, Exception) else replies
            try:
                result = parse_replies(self._request, replies, self._sent_s)
            except redis_client.ERRORS as error:
                if isinstance(error, (RedisConnectionError, NoScriptError)):
                    self._continue_as_task()  # sends it again: the command id shows what was done already
                    return
                result = result_of_fault(self._request, error)
        except Exception as error:  # noqa: BLE001 - likewise
            self._completion.failed(error)
        else:
            self.resume(result)

    def _continue_as_task(self) -> None:
        work = complete(run_async(self._procedure, self._request), self._completion)
        background.start(work, "procedure", self._context)
