"""A call to the store as a value: what to send and how to read the reply. Drivers for both kinds of caller send it.

So the store and the service are written once, without I/O, and used from sync views and from async consumers alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError

from synckairos import metrics
from synckairos import redis as stores
from synckairos.errors import ServiceUnavailable

T = TypeVar("T")

_LUA = Path(__file__).parent / "lua"


class Script:
    """One Lua file of this folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = (_LUA / f"{name}.lua").read_text()
        self.sha = sha1(self.source.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script


class Call(Generic[T]):
    """One round trip: run a script, then `parse` its reply."""

    __slots__ = ("args", "keys", "parse", "script")

    def __init__(self, script: Script, keys: list[str], args: list[Any], parse: Callable[[Any], T]) -> None:
        self.script = script
        self.keys = keys
        self.args = args
        self.parse = parse


Steps: TypeAlias = Generator[Call[Any], Any, T]
"""A procedure that asks for calls and ends with a T."""


def ask(call: Call[T]) -> Steps[T]:
    """One step: `reply = yield from ask(call)`."""
    reply: T = yield call
    return reply


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
            with _observed(call):
                reply = call.parse(_send(client, call))
        except stores.FAULTS as error:
            if stores.is_away(error):
                raise ServiceUnavailable from error
            raise


async def arun(steps: Steps[T]) -> T:
    """Drive a procedure on the running loop. Raises ServiceUnavailable when the store cannot serve."""
    client = stores.async_client()
    reply = None
    while True:
        try:
            call = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            with _observed(call):
                reply = call.parse(await _asend(client, call))
        except stores.FAULTS as error:
            if stores.is_away(error):
                raise ServiceUnavailable from error
            raise


async def apipeline(calls: Sequence[Call[T]]) -> list[T | Exception]:
    """Many calls in one round trip, each with its own result or fault. Raises ServiceUnavailable."""
    client = stores.async_client()
    try:
        replies = await _asend_all(client, calls)
    except stores.FAULTS as error:
        if stores.is_away(error):
            raise ServiceUnavailable from error
        raise
    return [_parsed(call, reply) for call, reply in zip(calls, replies, strict=True)]


def _parsed(call: Call[Any], reply: Any) -> Any:
    if isinstance(reply, Exception):
        return ServiceUnavailable() if stores.is_away(reply) else reply
    try:
        return call.parse(reply)
    except Exception as fault:  # noqa: BLE001 - one value that cannot be read must not hide the others
        return fault


async def _asend_all(client: Any, calls: Sequence[Call[Any]]) -> list[Any]:
    if isinstance(client, RedisCluster):  # its pipelines know no scripts
        return await asyncio.gather(*(_asend(client, call) for call in calls), return_exceptions=True)
    pipe = client.pipeline(transaction=False)
    for call in calls:
        pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
    replies: list[Any] = await pipe.execute(raise_on_error=False)
    for place, reply in enumerate(replies):
        if isinstance(reply, NoScriptError):
            replies[place] = await _asend(client, calls[place])
    return replies


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


def _observed(call: Call[Any]) -> Any:
    return metrics.STORE_SECONDS.labels(call.script.name).time()
