"""One connection to a plain store for all coroutines of an event loop: commands go out as they come, and replies come
back in order.

A pool hands a connection to each caller, and every command passes through a dozen layers of a client that can do all
that Redis can. Here are two commands, and requests that come at the same time share their system calls;
docs/performance.md says what that is worth. Whatever is not hot stays the client's: redis-py opens the connection
(names, passwords, TLS, databases), its words for errors are used, and Sentinel and Cluster are its alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import hiredis
from redis._parsers import BaseParser
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from synckairos import coalescing
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

Replies: TypeAlias = list[Any]
"""One for each command, in order; an error that the store says is a value."""
Told: TypeAlias = Callable[[Replies | Exception], None]
"""Hears what has become of commands that were sent together. Must not raise."""


class Line:
    """Scripts over one connection that is opened when it is needed, and again when it is lost.

    Commands whose connection is lost are sent again, up to `retries` times: they may have been carried out. Those that
    are not answered in time are not, and neither are those behind them. Raises what redis-py raises.
    """

    def __init__(self, make: Callable[[], Any], *, timeout_s: float, retries: int, backoff: Any = None) -> None:
        self._make = make
        """A connection of redis-py's that nobody has opened."""
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff = backoff or ExponentialWithJitterBackoff(base=0.05, cap=0.4)
        self._open: _Wire | None = None
        self._opening: asyncio.Task[_Wire] | None = None
        self._is_closed = False

    async def evalsha(self, sha: str, number_of_keys: int, *rest: Any) -> Any:
        """Run a script that the store knows. Raises NoScriptError when it does not."""
        return _good(*await self.replies([("EVALSHA", sha, number_of_keys, *rest)]))

    async def eval(self, source: str, number_of_keys: int, *rest: Any) -> Any:
        """Run a script, and let the store know it."""
        return _good(*await self.replies([("EVAL", source, number_of_keys, *rest)]))

    def ask(self, commands: Sequence[tuple[Any, ...]], told: Told) -> bool:
        """Send these at once, if the connection is up, and let somebody be told what the store says: nobody waits for
        it, so there is no task to wake. What is lost is not sent again."""
        wire = self._open
        if wire is None or not wire.is_open:
            return False
        wire.ask(commands, told)
        return True

    async def replies(self, commands: Sequence[tuple[Any, ...]]) -> Replies:
        """What the store says to these, sent at once."""
        failures = 0
        while commands:
            try:
                wire = self._open
                if wire is None or not wire.is_open:
                    wire = await self._connected()
                replies: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
                wire.ask(commands, partial(_tell, replies))
                return await replies
            except RedisConnectionError:
                failures += 1
                if failures > self._retries or self._is_closed:
                    raise
                await asyncio.sleep(self._backoff.compute(failures))
        return []

    def close(self) -> None:
        """Close the connection, for good: who still waits hears of it, and nobody opens another."""
        self._is_closed = True
        if self._open is not None:
            self._open.end()

    async def _connected(self) -> _Wire:
        """One attempt for all who wait: with the store away, they fail together and not one after the other."""
        if self._is_closed:
            raise RedisConnectionError("Connection closed")
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._connect())
            self._opening.add_done_callback(self._connected_or_not)
        return await asyncio.shield(self._opening)

    async def _connect(self) -> _Wire:
        connection = self._make()
        await connection.connect()
        return _Wire(connection, self._timeout_s)

    def _connected_or_not(self, opening: asyncio.Task[_Wire]) -> None:
        self._opening = None
        if opening.cancelled() or opening.exception() is not None:
            return  # whoever waited has been told
        self._open = opening.result()
        if self._is_closed:
            self._open.end()


class TakenOver(asyncio.Protocol):
    """A connection that redis-py has opened, and has no more to do with. Raises ConnectionError of redis-py's when it
    has ended meanwhile."""

    def __init__(self, connection: Any) -> None:
        # Names that are not public; tests/synckairos/redis/test_pipelined_connection.py fails when they change.
        self._writer = connection._writer  # noqa: SLF001 - held, since it may close the transport when nobody does
        has_ended = connection._reader.at_eof() or self._writer.is_closing()  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001 - it is not connected any more
        self._transport: asyncio.Transport = self._writer.transport
        if has_ended:  # which a new protocol is not told
            self._transport.abort()
            raise RedisConnectionError("Connection lost")
        self._reader = hiredis.Reader(replyError=cast("Any", _fault))
        self._transport.set_protocol(self)


class _Wire(TakenOver):
    """Commands on their way, and whoever waits for the replies."""

    def __init__(self, connection: Any, timeout_s: float) -> None:
        super().__init__(connection)
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._waiting: deque[tuple[int, Told, float]] = deque()
        """Whoever is to be told, in order: of how many replies, and since when they wait on the loop's clock."""
        self._replies: Replies = []
        """To the first of them, as far as they have come."""
        self._unsent: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self.is_open = True

    def ask(self, commands: Sequence[tuple[Any, ...]], told: Told) -> None:
        """Send commands, and let somebody be told of their replies."""
        packed = [hiredis.pack_command(command) for command in commands]
        is_alone = not self._waiting
        self._waiting.append((len(commands), told, self._loop.time()))
        if is_alone:
            self._transport.write(b"".join(packed))
        else:
            if not self._unsent:  # what others ask for in this turn of the loop goes with it
                self._loop.call_soon(self._send)
            self._unsent += packed
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout_s, self._look)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self.is_open:
            self._transport.write(b"".join(unsent))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        answered: list[tuple[Told, Replies]] = []
        try:
            while self._waiting and (reply := self._reader.gets()) is not False:
                self._replies.append(reply)
                if len(self._replies) == self._waiting[0][0]:
                    _, told, _ = self._waiting.popleft()
                    answered.append((told, self._replies))
                    self._replies = []
        finally:  # what is no reply ends the connection, after those who have theirs
            if len(answered) > 1:
                coalescing.begin()
            for told, replies in answered:
                _say(told, replies)
            if len(answered) > 1:
                coalescing.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(RedisConnectionError("Connection lost"))

    def end(self) -> None:
        """Close, whoever waits."""
        self._fail(RedisConnectionError("Connection closed"))
        self._transport.close()

    def _look(self) -> None:
        """Whether the oldest command has waited too long; else when to look again."""
        self._watch = None
        if not self._waiting:
            return
        left_s = self._waiting[0][2] + self._timeout_s - self._loop.time()
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._look)
            return
        log.warning("the store does not answer", waiting=len(self._waiting))
        self._fail(RedisTimeoutError("Timeout reading from the store"))
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self.is_open = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        waiting, self._waiting = self._waiting, deque()  # who is told may ask again, of another connection
        for _, told, _ in waiting:
            _say(told, error)


def _say(told: Told, what: Replies | Exception) -> None:
    try:
        told(what)
    except Exception:
        log.exception("a reply of the store was not heard")  # those after it are


def _tell(waiting: asyncio.Future[Replies], replies: Replies | Exception) -> None:
    if waiting.done():
        return  # a caller may have given up, its place in the order stays
    if isinstance(replies, Exception):
        waiting.set_exception(replies)
    else:
        waiting.set_result(replies)


def _good(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _fault(text: str) -> Exception:
    """An error reply, in redis-py's words."""
    fault: Exception = BaseParser.parse_error(text)
    return fault
