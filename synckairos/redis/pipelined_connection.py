"""Pipelined connection to a single Redis server, shared by all coroutines of an event loop. Replies come in order.

A pool would give a connection to each caller, and a command would pass through a dozen layers of redis-py. Here are two
commands, and concurrent requests share system calls (measured in docs/performance.md). redis-py still opens the
connection (names, passwords, TLS, databases) and defines the exceptions; Sentinel and Cluster use its client.
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
"""One reply for each command, in order; an error reply is a value of type Exception."""
ReplyCallback: TypeAlias = Callable[[Replies | Exception], None]
"""Callback with the replies to commands that were sent together, or with the exception. It must not raise."""


class PipelinedConnection:
    """Runs scripts over one connection, which is opened on demand and reopened after a loss.

    Commands of a lost connection are sent again, up to `retries` times, though they may have been executed. Commands
    that time out are not, nor are those sent after them. Raises the exceptions of redis-py.
    """

    def __init__(self, make: Callable[[], Any], *, timeout_s: float, retries: int, backoff: Any = None) -> None:
        self._make = make
        """Factory of redis-py connections that are not open yet."""
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff = backoff or ExponentialWithJitterBackoff(base=0.05, cap=0.4)
        self._connection: _OpenConnection | None = None
        self._connecting: asyncio.Task[_OpenConnection] | None = None
        self._is_closed = False

    async def evalsha(self, sha: str, number_of_keys: int, *rest: Any) -> Any:
        """Run a script by its SHA-1 digest. Raises NoScriptError when the store does not have it."""
        return _raise_error_reply(*await self.replies([("EVALSHA", sha, number_of_keys, *rest)]))

    async def eval(self, source: str, number_of_keys: int, *rest: Any) -> Any:
        """Run a script by its source, which the store then caches."""
        return _raise_error_reply(*await self.replies([("EVAL", source, number_of_keys, *rest)]))

    def send(self, commands: Sequence[tuple[Any, ...]], on_replies: ReplyCallback) -> bool:
        """Send commands at once and pass their replies to `on_replies`; return False when the connection is down.

        No task waits for the replies, so none must be woken. Lost commands are not sent again.
        """
        connection = self._connection
        if connection is None or not connection.is_open:
            return False
        connection.send(commands, on_replies)
        return True

    async def replies(self, commands: Sequence[tuple[Any, ...]]) -> Replies:
        """Send commands together and return their replies."""
        failures = 0
        while commands:
            try:
                connection = self._connection
                if connection is None or not connection.is_open:
                    connection = await self._connect_once()
                replies: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
                connection.send(commands, partial(_resolve, replies))
                return await replies
            except RedisConnectionError:
                failures += 1
                if failures > self._retries or self._is_closed:
                    raise
                await asyncio.sleep(self._backoff.compute(failures))
        return []

    def close(self) -> None:
        """Close the connection for good. Pending commands fail, and no other connection is opened."""
        self._is_closed = True
        if self._connection is not None:
            self._connection.end()

    async def _connect_once(self) -> _OpenConnection:
        """Connect in one attempt for all waiting callers, so that they fail together when the store is down."""
        if self._is_closed:
            raise RedisConnectionError("Connection closed")
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._on_connect_done)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _OpenConnection:
        connection = self._make()
        await connection.connect()
        return _OpenConnection(connection, self._timeout_s)

    def _on_connect_done(self, connecting: asyncio.Task[_OpenConnection]) -> None:
        self._connecting = None
        if connecting.cancelled() or connecting.exception() is not None:
            return  # the callers that waited have the exception
        self._connection = connecting.result()
        if self._is_closed:
            self._connection.end()


class RawConnection(asyncio.Protocol):
    """Protocol that takes over the transport of a connection that redis-py has opened.

    Raises redis-py's ConnectionError when that connection has ended meanwhile.
    """

    def __init__(self, connection: Any) -> None:
        # Names that are not public; tests/synckairos/redis/test_pipelined_connection.py fails when they change.
        self._writer = connection._writer  # noqa: SLF001 - kept: it may close the transport when it is collected
        has_ended = connection._reader.at_eof() or self._writer.is_closing()  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001 - it is not connected any more
        self._transport: asyncio.Transport = self._writer.transport
        if has_ended:  # a new protocol gets no notice of it
            self._transport.abort()
            raise RedisConnectionError("Connection lost")
        self._reader = hiredis.Reader(replyError=cast("Any", _parse_error))
        self._transport.set_protocol(self)


class _OpenConnection(RawConnection):
    """Open connection with the commands that wait for their replies."""

    def __init__(self, connection: Any, timeout_s: float) -> None:
        super().__init__(connection)
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._waiting: deque[tuple[int, ReplyCallback, float]] = deque()
        """Number of expected replies, callback, and loop time of sending, in order."""
        self._replies: Replies = []
        """Replies received so far to the oldest commands."""
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = True

    def send(self, commands: Sequence[tuple[Any, ...]], on_replies: ReplyCallback) -> None:
        """Send commands and pass their replies to `on_replies`."""
        packed = [hiredis.pack_command(command) for command in commands]
        is_alone = not self._waiting
        self._waiting.append((len(commands), on_replies, self._loop.time()))
        if is_alone:
            self._transport.write(b"".join(packed))
        else:
            if not self._unsent:  # commands of this turn of the loop are written together
                self._loop.call_soon(self._send)
            self._unsent += packed
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._check_timeout)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self.is_open:
            self._transport.write(b"".join(unsent))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        answered: list[tuple[ReplyCallback, Replies]] = []
        try:
            while self._waiting and (reply := self._reader.gets()) is not False:
                self._replies.append(reply)
                if len(self._replies) == self._waiting[0][0]:
                    _, on_replies, _ = self._waiting.popleft()
                    answered.append((on_replies, self._replies))
                    self._replies = []
        finally:  # a malformed reply ends the connection, after the callbacks of complete ones
            if len(answered) > 1:
                coalescing.begin()
            for on_replies, replies in answered:
                _call_back(on_replies, replies)
            if len(answered) > 1:
                coalescing.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(RedisConnectionError("Connection lost"))

    def end(self) -> None:
        """Close the connection; pending commands fail."""
        self._fail(RedisConnectionError("Connection closed"))
        self._transport.close()

    def _check_timeout(self) -> None:
        """Fail when the oldest command has waited too long; otherwise check again later."""
        self._timer = None
        if not self._waiting:
            return
        left_s = self._waiting[0][2] + self._timeout_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._check_timeout)
            return
        log.warning("the store does not answer", waiting=len(self._waiting))
        self._fail(RedisTimeoutError("Timeout reading from the store"))
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, deque()  # a callback may send again, over another connection
        for _, on_replies, _ in waiting:
            _call_back(on_replies, error)


def _call_back(on_replies: ReplyCallback, what: Replies | Exception) -> None:
    try:
        on_replies(what)
    except Exception:
        log.exception("a reply of the store was not heard")  # the other callbacks still run


def _resolve(waiting: asyncio.Future[Replies], replies: Replies | Exception) -> None:
    if waiting.done():
        return  # the caller was cancelled; its place in the order stays
    if isinstance(replies, Exception):
        waiting.set_exception(replies)
    else:
        waiting.set_result(replies)


def _raise_error_reply(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _parse_error(text: str) -> Exception:
    """Return the redis-py exception for the text of an error reply."""
    fault: Exception = BaseParser.parse_error(text)
    return fault
