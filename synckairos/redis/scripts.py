"""Calls of Lua scripts as values: what to send to the store, and how to read the reply.

A procedure (synckairos/redis/procedures.py) yields calls, and never performs I/O itself. This module sends calls with
the blocking client and with the client of the running event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError

from synckairos.redis import client as redis_client
from synckairos.redis.pipelined_connection import PipelinedConnection
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import metrics

T = TypeVar("T")


class Script:
    """A Lua file of a folder; the source of its `libraries` is put before its own.

    With `allow_oom` a store without memory runs the script too: for small values that are replaced or expire soon.
    """

    def __init__(self, file: Path, *libraries: Path, clock_index: int | None = None, allow_oom: bool = False) -> None:
        self.name = file.stem
        self.clock_index = clock_index
        """Index in its reply of the store's clock (seconds, then microseconds); None for a reply without it."""
        head = "#!lua flags=allow-oom\n" if allow_oom else ""
        self.source = head + "".join(part.read_text() for part in (*libraries, file))
        self.seconds = metrics.STORE_SECONDS.labels(self.name)
        self.sha = sha1(self.source.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script


class Call(Generic[T]):
    """One run of a script: its keys and arguments, and the function that parses its reply."""

    __slots__ = ("args", "if_full", "keys", "parse", "script")

    def __init__(
        self,
        script: Script,
        keys: list[str],
        args: list[Any],
        parse: Callable[[Any], T],
        *,
        if_full: T | None = None,
    ) -> None:
        self.script = script
        self.keys = keys
        self.args = args
        self.parse = parse
        self.if_full = if_full
        """The result when the store takes no writes (it is full, say); without it, ServiceUnavailable is raised."""


class Pipeline:
    """Independent calls in one round trip; the result is the list of theirs."""

    __slots__ = ("calls",)

    def __init__(self, *calls: Call[Any]) -> None:
        self.calls: Sequence[Call[Any]] = calls


Request = Call[Any] | Pipeline
"""One round trip to the store, which a procedure yields."""


def calls_of(request: Request) -> Sequence[Call[Any]]:
    """Return the calls of one round trip."""
    return request.calls if isinstance(request, Pipeline) else (request,)


def commands_of(calls: Sequence[Call[Any]]) -> list[tuple[Any, ...]]:
    """Return the Redis commands of calls, for a store that has the scripts."""
    return [("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args) for call in calls]


def parse_replies(request: Request, replies: list[Any], sent_s: float) -> Any:
    """Return the result of a request that was sent at this instant of `time.monotonic`.

    Raises the first error among the replies, and what the parsers raise.
    """
    received_s = time.monotonic()
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    if isinstance(request, Pipeline):
        request.calls[-1].script.seconds.observe(received_s - sent_s)
        return [call.parse(reply) for call, reply in zip(request.calls, replies, strict=True)]
    script = request.script
    script.seconds.observe(received_s - sent_s)
    if script.clock_index is not None:
        seconds, microseconds = map(int, replies[0][script.clock_index : script.clock_index + 2])
        store_clock.add_sample(sent_s, seconds + microseconds / 1_000_000, received_s)
    return request.parse(replies[0])


def result_of_fault(request: Request, error: Exception) -> Any:
    """Return the results for a store that takes no writes, if all calls have one. Raises ServiceUnavailable for a store
    that cannot serve, and any other error as it is."""
    calls = calls_of(request)
    if redis_client.is_write_refused(error) and all(call.if_full is not None for call in calls):
        return [call.if_full for call in calls] if isinstance(request, Pipeline) else calls[0].if_full
    unavailable = redis_client.as_service_unavailable(error)
    if unavailable is None:
        raise error
    raise unavailable from error


@overload
def send_blocking(request: Call[T]) -> T: ...
@overload
def send_blocking(request: Request) -> Any: ...
def send_blocking(request: Request) -> Any:
    """Send a request with the blocking client, call by call, and return its result. Raises ServiceUnavailable."""
    client = redis_client.blocking_client()
    try:
        if isinstance(request, Pipeline):
            return [run_blocking_call(client, call) for call in request.calls]
        return run_blocking_call(client, request)
    except redis_client.ERRORS as error:
        return result_of_fault(request, error)


def run_blocking_call(client: Any, call: Call[T]) -> T:
    """Run a call with a blocking client, and return its result. Raises redis.RedisError."""
    with call.script.seconds.time():
        reply = _eval_blocking(client, call)
    return call.parse(reply)


def _eval_blocking(client: Any, call: Call[Any]) -> Any:
    script = call.script
    try:
        return client.evalsha(script.sha, len(call.keys), *call.keys, *call.args)
    except NoScriptError:  # a new or restarted server gets the source once
        return client.eval(script.source, len(call.keys), *call.keys, *call.args)


@overload
async def send(request: Call[T]) -> T: ...
@overload
async def send(request: Request) -> Any: ...
async def send(request: Request) -> Any:
    """Send a request on the running loop, and return its result. Raises ServiceUnavailable."""
    client = redis_client.script_runner()
    sent_s = time.monotonic()
    try:
        if isinstance(request, Pipeline):
            replies = await _eval_all(client, request.calls)
        else:
            replies = [await _eval(client, request)]
        return parse_replies(request, replies, sent_s)
    except redis_client.ERRORS as error:
        return result_of_fault(request, error)


async def send_all(calls: Sequence[Call[T]]) -> list[T | Exception]:
    """Send calls in one round trip; return for each its result or its error. Raises ServiceUnavailable."""
    try:
        replies = await _eval_all(redis_client.script_runner(), calls)
    except redis_client.ERRORS as error:
        unavailable = redis_client.as_service_unavailable(error)
        if unavailable is None:
            raise
        raise unavailable from error
    return [_parsed(call, reply) for call, reply in zip(calls, replies, strict=True)]


def _parsed(call: Call[Any], reply: Any) -> Any:
    if isinstance(reply, Exception):
        return redis_client.as_service_unavailable(reply) or reply
    try:
        return call.parse(reply)
    except Exception as fault:  # noqa: BLE001 - a value that cannot be parsed must not hide the others
        return fault


async def _eval_all(client: Any, calls: Sequence[Call[Any]]) -> list[Any]:
    if isinstance(client, RedisCluster):  # its pipelines do not support scripts
        return await asyncio.gather(*(_eval(client, call) for call in calls), return_exceptions=True)
    if isinstance(client, PipelinedConnection):
        replies = await client.replies(commands_of(calls))
    else:
        pipe = client.pipeline(transaction=False)
        for call in calls:
            pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        replies = await pipe.execute(raise_on_error=False)
    for place, reply in enumerate(replies):
        if isinstance(reply, NoScriptError):
            try:
                replies[place] = await _eval(client, calls[place])
            except redis_client.ERRORS as error:  # of this call alone
                replies[place] = error
    return replies


async def _eval(client: Any, call: Call[Any]) -> Any:
    script = call.script
    try:
        return await client.evalsha(script.sha, len(call.keys), *call.keys, *call.args)
    except NoScriptError:
        return await client.eval(script.source, len(call.keys), *call.keys, *call.args)
