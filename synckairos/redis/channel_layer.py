"""Channels group layer over one pub/sub connection for each process and server.

In channels_redis, subscribing callers write and even reconnect while a receiver reads on the same connection; after a
loss the two interfere, and cancelled subscriptions come back. Here one task owns the connection, and a new connection
subscribes to the channels that are wanted then. `group_add` returns when the server has confirmed the subscription, so
that a state read afterwards cannot have missed a message.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from typing import Any
from uuid import uuid4

import hiredis
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection
from channels_redis.utils import create_pool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from synckairos import background
from synckairos.redis.pipelined_connection import RawConnection
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_CONNECT_TIMEOUT_S = 2.0
_SUBSCRIBE_TIMEOUT_S = 2.0
_PING_AFTER_S = 10.0
"""Silence in seconds after which a PING is sent."""
_RECONNECT_DELAYS_S = (0.05, 0.25)


class PubSubChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """Channel layer of the CHANNEL_LAYERS setting."""

    def on_reconnected(self, callback: Callable[[], None]) -> None:
        """Set the callback for a restored connection, on the running loop: messages may have been lost."""
        self._get_layer().on_reconnect = callback

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Return a new subscribed channel of this process. Raises the exceptions of `Subscriptions.subscribe`."""
        layer = self._get_layer()
        channel = f"{layer.prefix}{prefix}{uuid4().hex}"
        await self._open(layer, channel)
        return channel

    async def group_add(self, group: str, channel: str) -> None:
        """Subscribe a channel to a group. A cancelled or failed call leaves no subscription."""
        layer = self._get_layer()
        was_there = channel in layer.groups.get(layer._get_group_channel_name(group), ())  # noqa: SLF001 - pinned
        try:
            await layer.group_add(group, channel)
        except BaseException:
            if not was_there:
                await layer.group_discard(group, channel)
            raise

    async def receive_all(self, channel: str) -> list[bytes]:
        """Wait for messages on a channel of `new_channel` and return all of them, as they were sent.

        `receive` of Channels returns one message at a time, decoded into a dict.
        """
        layer = self._get_layer()
        if channel not in layer.channels:  # flushed
            await self._open(layer, channel)
        queue: asyncio.Queue[bytes] = layer.channels[channel]
        try:
            first = await queue.get()
        except asyncio.CancelledError:  # the channel is closed, as `receive` does
            await self._close(layer, channel)
            raise
        return [first, *(queue.get_nowait() for _ in range(queue.qsize()))]

    async def _open(self, layer: Any, channel: str) -> None:
        try:
            await layer._subscribe_to_channel(channel)  # noqa: SLF001 - there is no other way in; the version is pinned
        except BaseException:
            await self._close(layer, channel)
            raise

    async def _close(self, layer: Any, channel: str) -> None:
        layer.channels.pop(channel, None)
        await layer._get_shard(channel).unsubscribe(channel)  # noqa: SLF001 - likewise

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        shards = layer._shards  # noqa: SLF001 - there is no other way in; the version is pinned
        for place, shard in enumerate(shards):
            if not isinstance(shard, Subscriptions):
                shards[place] = Subscriptions(shard.host, layer)
        return layer


class Subscriptions(RedisSingleShardConnection):  # type: ignore[misc]
    """Subscriptions on one server, which outlive its connections."""

    def __init__(self, host: Any, layer: Any) -> None:
        super().__init__(host, layer)
        self._receive_task: asyncio.Task[None] | None = None
        self._subscribed_to: set[str] = set()
        """Channels that callers are subscribed to."""
        self._pool: Any = None
        self._connection: _PubSubConnection | None = None
        """The open connection, if there is one."""
        self._unconfirmed: Counter[str] = Counter()
        """Number of unconfirmed SUBSCRIBE commands of each channel on this connection."""
        self._confirmed: set[str] = set()
        self._has_connected = False
        self._is_reconnecting = False
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        """Futures of callers that wait for the confirmation of a channel."""

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel and wait for the confirmation.

        Raises redis-py's TimeoutError without a confirmation in time, and its ConnectionError when the channel is
        unsubscribed meanwhile. After either, the subscription stays wanted until `unsubscribe`.
        """
        self._subscribed_to.add(channel)
        self._ensure_receiver()
        if channel in self._confirmed:
            return
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, []).append(confirmed)
        self._subscribe(channel)
        try:
            async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_S):
                await confirmed
        except TimeoutError:
            raise RedisTimeoutError("The group layer cannot be reached") from None

    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel. Without a connection nothing is sent: the next one starts without the channel."""
        if channel not in self._subscribed_to:
            return
        self._subscribed_to.remove(channel)
        self._confirmed.discard(channel)
        self._resolve(channel, RedisConnectionError("Unsubscribed meanwhile"))
        self._send("UNSUBSCRIBE", channel)

    async def flush(self) -> None:
        """Close the connection and drop all subscriptions. Waiting callers fail."""
        if self._receive_task is not None:
            await background.stop(self._receive_task)
            self._receive_task = None
        self._subscribed_to = set()
        self._has_connected = self._is_reconnecting = False
        for channel in list(self._waiting):
            self._resolve(channel, RedisConnectionError("The group layer has been closed"))
        pool, self._pool = self._pool, None
        await super().flush()
        if pool is not None:
            await pool.disconnect()

    def _resolve(self, channel: str, fault: Exception | None) -> None:
        for waiting in self._waiting.pop(channel, ()):
            if waiting.done():
                continue
            if fault is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(fault)

    def _subscribe(self, *channels: str) -> None:
        if self._connection is not None:
            self._unconfirmed.update(channels)
            self._send("SUBSCRIBE", *channels)

    def _send(self, *command: str) -> None:
        if self._connection is not None:
            self._connection.send(*command)

    def _ensure_receiver(self) -> None:
        if self._receive_task is None or self._receive_task.done():
            loop = asyncio.get_running_loop()
            # A context of its own: its log lines must not have the ids of the first socket.
            self._receive_task = loop.create_task(self._do_receiving(), name="group layer", context=Context())

    async def _do_receiving(self) -> None:
        is_outage_logged = False
        while True:
            try:
                await self._run_connection()
            except (RedisError, OSError, TimeoutError) as error:
                if self._confirmed or not is_outage_logged:
                    log.warning("group layer away", error=type(error).__name__)
                is_outage_logged = True
            except Exception:
                log.exception("group layer failed")  # the loop continues: screens depend on it
            finally:
                self._connection = None
                self._unconfirmed.clear()
                self._confirmed.clear()
            await asyncio.sleep(random.uniform(*_RECONNECT_DELAYS_S))  # noqa: S311 - spreads load, keeps no secret

    async def _run_connection(self) -> None:
        """Open one connection and serve it until it is lost."""
        if self._pool is None:
            self._pool = create_pool(self.host)
            self._pool.connection_kwargs["protocol"] = 2  # messages as plain answers
        connection = self._pool.make_connection()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await connection.connect()
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError  # redis-py has swallowed it, see `background.stop`
            self._connection = _PubSubConnection(connection, self._handle_message)
        finally:
            await connection.disconnect(nowait=True)  # no effect once RawConnection has taken it over
        self._is_reconnecting, self._has_connected = self._has_connected, True
        try:
            if self._subscribed_to:
                self._subscribe(*self._subscribed_to)
            await self._connection.lost
        finally:
            self._connection.end()

    def _handle_message(self, message: Any) -> None:
        match message:
            case [b"message" | "message", channel, data]:
                self._receive_message({"channel": channel, "data": data})
            case [b"subscribe" | "subscribe", channel, _]:
                name = channel.decode() if isinstance(channel, bytes) else channel
                self._unconfirmed[name] -= 1
                if self._unconfirmed[name] > 0:
                    return  # another SUBSCRIBE follows, perhaps after an UNSUBSCRIBE
                del self._unconfirmed[name]
                if name in self._subscribed_to:
                    self._confirmed.add(name)
                if self._is_reconnecting and self._subscribed_to <= self._confirmed:
                    self._is_reconnecting = False
                    if self.channel_layer.on_reconnect is not None:
                        self.channel_layer.on_reconnect()
                self._resolve(name, None)
            case Exception():
                raise message


class _PubSubConnection(RawConnection):
    """One pub/sub connection, from its opening to its loss."""

    def __init__(self, connection: Any, on_message: Callable[[Any], None]) -> None:
        super().__init__(connection)
        self._on_message = on_message
        """Callback for every message of the server."""
        self._loop = asyncio.get_running_loop()
        self._received_at_s = self._loop.time()
        self._is_ping_sent = False
        """True when a PING was sent since the last message."""
        self._timer = self._loop.call_later(_PING_AFTER_S, self._check_silence)
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Future that fails when the connection is lost."""

    def send(self, *command: Any) -> None:
        """Send a command, unless the connection is lost."""
        if not self.lost.done():
            self._transport.write(hiredis.pack_command(command))

    def data_received(self, data: bytes) -> None:
        self._received_at_s, self._is_ping_sent = self._loop.time(), False
        self._reader.feed(data)
        try:
            while (message := self._reader.gets()) is not False:
                self._on_message(message)
        except Exception as fault:  # noqa: BLE001 - after any of them the stream may be out of step
            self._fail(fault)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(RedisConnectionError("The connection has ended"))

    def end(self) -> None:
        """Close the connection and stop its timer."""
        self._timer.cancel()
        self.lost.cancel()
        self._transport.abort()

    def _check_silence(self) -> None:
        """Send a PING after a silence, and fail after a second one; otherwise check again later."""
        left_s = self._received_at_s + _PING_AFTER_S - self._loop.time()
        if left_s <= 0:
            if self._is_ping_sent:
                self._fail(RedisTimeoutError("The server is silent"))
                return
            self._is_ping_sent, left_s = True, _PING_AFTER_S
            self.send("PING")
        self._timer = self._loop.call_later(left_s, self._check_silence)

    def _fail(self, fault: Exception) -> None:
        if not self.lost.done():
            self.lost.set_exception(fault)
            self._transport.abort()  # later data must not be read
