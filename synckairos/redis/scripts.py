"""A call to the store as a value: what to send and how to read the reply. Drivers for both kinds of caller send it.

So the store and the service are written once, without I/O, and used from sync views and from async consumers alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar, cast

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError

from synckairos.redis import client as stores
from synckairos.redis.pipelined_connection import Line
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import metrics

T = TypeVar("T")


class Script:
    """A Lua file of a folder; `libraries` are files whose source stands before it.

    `allow_oom` is for what must go on when the store is full: small values that replace each other or are soon gone.
    """

    def __init__(self, file: Path, *libraries: Path, tells_time_at: int | None = None, allow_oom: bool = False) -> None:
        self.name = file.stem
        self.tells_time_at = tells_time_at
        """Where in its reply the store's clock stands, as seconds and microseconds."""
        head = "#!lua flags=allow-oom\n" if allow_oom else ""
        self.source = head + "".join(part.read_text() for part in (*libraries, file))
        self.seconds = metrics.STORE_SECONDS.labels(self.name)
        self.sha = sha1(self.source.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script


class Call(Generic[T]):
    """One round trip: run a script, then `parse` its reply."""

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
        """What goes for a reply when the store is full, or takes no writes for another reason; without it,
        ServiceUnavailable is raised."""


class Together:
    """Calls that need nothing of each other, in one round trip; the reply is a list of theirs."""

    __slots__ = ("calls",)

    def __init__(self, *calls: Call[Any]) -> None:
        self.calls: Sequence[Call[Any]] = calls


Steps: TypeAlias = Generator[Call[Any] | Together, Any, T]
"""A procedure that asks for calls and ends with a T."""


def ask(call: Call[T]) -> Steps[T]:
    """One step: `reply = yield from ask(call)`."""
    reply: T = yield call
    return reply


def beside(first: Steps[None], then: Steps[T]) -> Steps[T]:
    """Two procedures, their first calls in one round trip. `first` makes one call or none; what it raises ends both."""
    asked = next(first, None)
    try:
        call = next(then)
    except BaseException:
        if asked is not None:
            _end(first, (yield asked))
        raise
    if asked is None:
        reply = yield call
    else:
        calls = call.calls if isinstance(call, Together) else (call,)
        mine, *replies = yield Together(cast("Call[Any]", asked), *calls)
        reply = replies if isinstance(call, Together) else replies[0]
        try:
            _end(first, mine)
        except BaseException:
            then.close()
            raise
    while True:
        try:
            call = then.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        reply = yield call


def _end(steps: Steps[None], reply: Any) -> None:
    with suppress(StopIteration):
        steps.send(reply)


def run(steps: Steps[T]) -> T:
    """Drive a procedure with the blocking client. Raises ServiceUnavailable when the store cannot serve."""
    client = stores.client()
    reply = None
    while True:
        try:
            call = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            reply = _asked_of(client, call)
        except stores.FAULTS as error:
            reply = instead_of(call, error)


async def arun(steps: Steps[T], call: Call[Any] | Together | None = None) -> T:
    """Drive a procedure on the running loop, one that has begun from the call that it asks for. Raises
    ServiceUnavailable when the store cannot serve."""
    client = stores.scripts()
    try:
        if call is None:
            call = next(steps)
        while True:
            call = steps.send(await _answered(client, call))
    except StopIteration as end:
        result: T = end.value
        return result


async def _answered(client: Any, call: Call[Any] | Together) -> Any:
    began_s = time.monotonic()
    try:
        answers = await _asend_all(client, call.calls) if isinstance(call, Together) else [await _asend(client, call)]
        return answered(call, answers, began_s)
    except stores.FAULTS as error:
        return instead_of(call, error)


def instead_of(call: Call[Any] | Together, error: Exception) -> Any:
    """What a procedure is sent when the store has not done what it asked for. Raises what it is told otherwise."""
    calls = call.calls if isinstance(call, Together) else (call,)
    if stores.takes_no_writes(error) and all(one.if_full is not None for one in calls):
        return [one.if_full for one in calls] if isinstance(call, Together) else calls[0].if_full
    away = stores.unavailable(error)
    if away is None:
        raise error
    raise away from error


def answered(call: Call[Any] | Together, answers: list[Any], began_s: float) -> Any:
    """What the procedure that has asked for this is to be sent, asked at an instant on the monotonic clock. Raises what
    the store has raised, and what cannot be read."""
    ended_s = time.monotonic()
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    if isinstance(call, Together):
        call.calls[-1].script.seconds.observe(ended_s - began_s)
        return [one.parse(answer) for one, answer in zip(call.calls, answers, strict=True)]
    script = call.script
    script.seconds.observe(ended_s - began_s)
    if script.tells_time_at is not None:
        store_clock.take(began_s, _time_in(answers[0], script.tells_time_at), ended_s)
    return call.parse(answers[0])


def _time_in(answer: list[Any], place: int) -> float:
    return int(answer[place]) + int(answer[place + 1]) / 1_000_000


async def apipeline(calls: Sequence[Call[T]]) -> list[T | Exception]:
    """Many calls in one round trip, each with its own result or fault. Raises ServiceUnavailable."""
    client = stores.scripts()
    try:
        replies = await _asend_all(client, calls)
    except stores.FAULTS as error:
        away = stores.unavailable(error)
        if away is None:
            raise
        raise away from error
    return [_parsed(call, reply) for call, reply in zip(calls, replies, strict=True)]


def _parsed(call: Call[Any], reply: Any) -> Any:
    if isinstance(reply, Exception):
        return stores.unavailable(reply) or reply
    try:
        return call.parse(reply)
    except Exception as fault:  # noqa: BLE001 - one value that cannot be read must not hide the others
        return fault


async def _asend_all(client: Any, calls: Sequence[Call[Any]]) -> list[Any]:
    if isinstance(client, RedisCluster):  # its pipelines know no scripts
        return await asyncio.gather(*(_asend(client, call) for call in calls), return_exceptions=True)
    if isinstance(client, Line):
        replies = await client.replies(commands_of(calls))
    else:
        pipe = client.pipeline(transaction=False)
        for call in calls:
            pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        replies = await pipe.execute(raise_on_error=False)
    for place, reply in enumerate(replies):
        if isinstance(reply, NoScriptError):
            replies[place] = await _asend(client, calls[place])
    return replies


def commands_of(calls: Sequence[Call[Any]]) -> list[tuple[Any, ...]]:
    """As they are sent to a store that knows the scripts."""
    return [("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args) for call in calls]


def _asked_of(client: Any, call: Call[Any] | Together) -> Any:
    """A blocking caller saves nothing worth a pipeline."""
    if isinstance(call, Together):
        return [_asked(client, one) for one in call.calls]
    return _asked(client, call)


def _asked(client: Any, call: Call[Any]) -> Any:
    with call.script.seconds.time():
        reply = _send(client, call)
    return call.parse(reply)


def _send(client: Any, call: Call[Any]) -> Any:
    script = call.script
    try:
        return client.evalsha(script.sha, len(call.keys), *call.keys, *call.args)
    except NoScriptError:  # a new or restarted server: hand it the source once
        return client.eval(script.source, len(call.keys), *call.keys, *call.args)


async def _asend(client: Any, call: Call[Any]) -> Any:
    script = call.script
    try:
        return await client.evalsha(script.sha, len(call.keys), *call.keys, *call.args)
    except NoScriptError:
        return await client.eval(script.source, len(call.keys), *call.keys, *call.args)
