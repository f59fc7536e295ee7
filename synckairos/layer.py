"""The Channels group layer over one steady subscription for each process and server.

channels_redis lets whoever subscribes write, and even reconnect, while its receiver reads on the same connection; after
a cut the two get in each other's way, and what was unsubscribed meanwhile comes back. Here one task owns the
connection: it reads, a second one writes in order, and a new connection begins with what is wanted now. `group_add`
returns when the server has confirmed the subscription, so that what is read after it cannot have missed a message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection
from channels_redis.utils import create_pool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from synckairos import logs

log = logs.get(__name__)

_CONNECTED_WITHIN_S = 2.0
_CONFIRMED_WITHIN_S = 2.0
_QUIET_S = 10.0
"""After so long without a word the server is asked for one."""
_AGAIN_AFTER_S = (0.05, 0.25)


class SteadyLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """The layer of the settings."""

    def on_reconnected(self, told: Callable[[], None]) -> None:
        """Call this, on the running loop, when a connection that was lost listens again: messages may be missing."""
        self._get_layer().on_reconnect = told

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        shards = layer._shards  # noqa: SLF001 - there is no other way in; the version is pinned
        for place, shard in enumerate(shards):
            if not isinstance(shard, SteadyConnection):
                shards[place] = SteadyConnection(shard.host, layer)
        return layer


class SteadyConnection(RedisSingleShardConnection):  # type: ignore[misc]
    """The subscriptions on one server."""

    def __init__(self, host: Any, layer: Any) -> None:
        super().__init__(host, layer)
        self._receive_task: asyncio.Task[None] | None = None
        self._subscribed_to: set[str] = set()
        """What is wanted."""
        self._pool: Any = None
        self._to_send: asyncio.Queue[tuple[str, ...]] | None = None
        """Commands for the connection that is up; None while there is none."""
        self._confirmed: set[str] = set()
        self._has_been_up = False
        self._is_coming_back = False
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def subscribe(self, channel: str) -> None:
        """Listen to a channel. Raises RedisTimeoutError when the server does not confirm it in time."""
        self._subscribed_to.add(channel)
        self._ensure_receiver()
        if channel in self._confirmed:
            return
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, []).append(confirmed)
        self._send("SUBSCRIBE", channel)
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN_S):
                await confirmed
        except TimeoutError:
            await self.unsubscribe(channel)
            raise RedisTimeoutError("The group layer cannot be reached") from None

    async def unsubscribe(self, channel: str) -> None:
        """Listen no more. With the connection down there is nothing to say: the next one begins without it."""
        self._subscribed_to.discard(channel)
        self._confirmed.discard(channel)
        self._waiting.pop(channel, None)
        self._send("UNSUBSCRIBE", channel)

    async def flush(self) -> None:
        """End the connection, and forget what it was for."""
        task, self._receive_task = self._receive_task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._subscribed_to = set()
        if self._pool is not None:
            await self._pool.disconnect()
            self._pool = None
        await super().flush()

    def _send(self, *command: str) -> None:
        if self._to_send is not None:
            self._to_send.put_nowait(command)

    def _ensure_receiver(self) -> None:
        if self._receive_task is None:
            loop = asyncio.get_running_loop()
            # A context of its own: its log lines are not those of the socket that came first.
            self._receive_task = loop.create_task(self._do_receiving(), name="group layer", context=Context())

    async def _do_receiving(self) -> None:
        is_known_to_be_away = False
        while True:
            try:
                await self._serve()
            except (RedisError, OSError, TimeoutError, ExceptionGroup) as away:
                if self._confirmed or not is_known_to_be_away:
                    log.warning("group layer away", error=_name_of(away))
                is_known_to_be_away = True
            except Exception:
                log.exception("group layer failed")  # it begins again: screens depend on it
            finally:
                self._to_send = None
                self._confirmed.clear()
            await asyncio.sleep(random.uniform(*_AGAIN_AFTER_S))  # noqa: S311 - spreads load, keeps no secret

    async def _serve(self) -> None:
        """One connection, from its beginning to its end."""
        if self._pool is None:
            self._pool = create_pool(self.host)
            self._pool.connection_kwargs["protocol"] = 2  # messages as plain answers
        connection = self._pool.make_connection()
        try:
            async with asyncio.timeout(_CONNECTED_WITHIN_S):
                await connection.connect()
            self._to_send = asyncio.Queue()
            self._is_coming_back, self._has_been_up = self._has_been_up, True
            if self._subscribed_to:
                self._send("SUBSCRIBE", *self._subscribed_to)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(connection, self._to_send))
                group.create_task(self._read(connection, self._to_send))
        finally:
            await connection.disconnect(nowait=True)

    async def _write(self, connection: Any, commands: asyncio.Queue[tuple[str, ...]]) -> None:
        while True:
            command = await commands.get()
            if not connection.is_connected:
                raise RedisConnectionError("The connection has ended")  # or sending would make another one
            await connection.send_command(*command, check_health=False)

    async def _read(self, connection: Any, commands: asyncio.Queue[tuple[str, ...]]) -> None:
        is_asked = False
        while True:
            try:
                message = await connection.read_response(timeout=_QUIET_S, disconnect_on_error=False)
            except RedisTimeoutError:
                if is_asked:
                    raise
                is_asked = True
                commands.put_nowait(("PING",))
                continue
            is_asked = False
            self._take(message)

    def _take(self, message: Any) -> None:
        match message:
            case [b"message" | "message", channel, data]:
                self._receive_message({"channel": channel, "data": data})
            case [b"subscribe" | "subscribe", channel, _]:
                name = channel.decode() if isinstance(channel, bytes) else channel
                if name in self._subscribed_to:
                    self._confirmed.add(name)
                if self._is_coming_back and self._subscribed_to <= self._confirmed:
                    self._is_coming_back = False
                    if self.channel_layer.on_reconnect is not None:
                        self.channel_layer.on_reconnect()
                for waiting in self._waiting.pop(name, ()):
                    if not waiting.done():
                        waiting.set_result(None)


def _name_of(fault: BaseException) -> str:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return type(fault).__name__
