"""The group layer's connection: confirmed subscriptions, which survive lost connections, and no stray ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import hiredis
import msgpack
import pytest
from django.conf import settings
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.channel_layer import _SUBSCRIBE_TIMEOUT_S, PubSubChannelLayer
from tests import servers
from tests.loops import let_time_pass


@pytest.fixture
async def layer():
    made = PubSubChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    yield made
    await made.flush()
    await redis_client.close_async_client()


def subscribers(session_id) -> int:
    return redis_client.blocking_client().pubsub_numsub(keys.group_channel(session_id))[0][1]


async def publish(session_id, number) -> None:
    await redis_client.async_client().publish(
        keys.group_channel(session_id), msgpack.packb({"type": "t", "number": number})
    )


async def cut() -> None:
    """The server drops every subscription's connection."""
    await redis_client.async_client().client_kill_filter(_type="pubsub")


def waiting(layer, channel) -> int:
    (of_this_loop,) = layer._layers.values()
    return of_this_loop.channels[channel].qsize()


async def test_a_message_published_right_after_group_add_arrives(layer):
    channel = await layer.new_channel()
    for number in range(50):
        session_id = uuid4()
        await layer.group_add(keys.group(session_id), channel)
        await publish(session_id, number)
        async with asyncio.timeout(30):
            assert (await layer.receive(channel))["number"] == number


async def test_all_that_has_come_is_handed_over_at_once_in_order_and_as_it_was_sent(layer):
    channel, session_id = await layer.new_channel(), uuid4()
    await layer.group_add(keys.group(session_id), channel)
    for number in range(3):
        await publish(session_id, number)
    await asyncio.to_thread(servers.wait_until, lambda: waiting(layer, channel) == 3, 30, "they have come")
    async with asyncio.timeout(30):
        received = await layer.receive_all(channel)
    assert received == [msgpack.packb({"type": "t", "number": number}) for number in range(3)]


async def test_a_cancelled_receive_closes_the_channel(layer):
    channel = await layer.new_channel()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await layer.receive_all(channel)

    def subscriptions() -> int:
        return redis_client.blocking_client().pubsub_numsub(channel)[0][1]

    await asyncio.to_thread(servers.wait_until, lambda: subscriptions() == 0, 30, "nobody listens")


class Server:
    """Server that replies OK to every command, unless a test sets another reply."""

    def __init__(self, reply_to: Callable[[list[bytes], int], bytes | None]) -> None:
        self.reply_to = reply_to
        """Replies to commands, by the number of the connection."""
        self.connections = 0
        self.asked: list[bytes] = []

    @asynccontextmanager
    async def layer(self) -> AsyncIterator[PubSubChannelLayer]:
        is_over = False

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if is_over:  # it was on its way
                writer.transport.abort()
            else:
                serving.create_task(self._serve(reader, writer))

        async with asyncio.TaskGroup() as serving:
            server = await asyncio.start_server(begin, "127.0.0.1", 0)
            layer = PubSubChannelLayer(hosts=[f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"])
            try:
                yield layer
            finally:
                await layer.flush()
                server.close()
                is_over = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number, commands = self.connections, hiredis.Reader()
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                commands.feed(data)
                while command := commands.gets():
                    self.asked.append(command[0])
                    reply = self.reply_to(command, number)
                    writer.write(b"+OK\r\n" if reply is None else reply)
        writer.close()


def confirmation_of(command: list[bytes]) -> bytes:
    name = command[1]
    return b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:1\r\n" % (len(name), name)


async def test_a_silent_server_is_pinged_and_then_disconnected_and_one_that_answers_is_not(monkeypatch):
    def reply_to(command: list[bytes], connection: int) -> bytes | None:
        match command[0]:
            case b"SUBSCRIBE":
                return confirmation_of(command)
            case b"PING":
                return b"" if connection == 1 else b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
        return None

    monkeypatch.setattr("synckairos.redis.channel_layer._PING_AFTER_S", 0.5)
    server, back = Server(reply_to), asyncio.Event()
    async with server.layer() as layer:
        layer.on_reconnected(back.set)
        await layer.new_channel()
        async with asyncio.timeout(30):
            await back.wait()
            assert server.asked.count(b"PING") == 1
            while server.asked.count(b"PING") < 4:  # noqa: ASYNC110 - a counter of the test's own
                await asyncio.sleep(0.01)
        assert server.connections == 2


async def test_a_refused_subscription_is_retried_and_its_caller_fails():
    def reply_to(command: list[bytes], _connection: int) -> bytes | None:
        return b"-NOPERM no permissions to access one of the channels\r\n" if command[0] == b"SUBSCRIBE" else None

    server = Server(reply_to)
    async with server.layer() as layer:
        joining = asyncio.create_task(layer.new_channel())
        async with asyncio.timeout(30):
            while server.connections < 2:  # noqa: ASYNC110 - a counter of the test's own
                await asyncio.sleep(0.01)
        let_time_pass(_SUBSCRIBE_TIMEOUT_S)
        with pytest.raises(RedisTimeoutError):
            await joining


async def test_a_connection_that_misses_its_cancellation_is_ended_all_the_same(layer, monkeypatch):
    """As when it comes in the moment in which redis-py has greeted the server."""
    greeting = asyncio.Event()

    async def greet_deafly(_connection, **_options) -> None:
        with suppress(asyncio.CancelledError):
            greeting.set()
            await asyncio.sleep(60)

    monkeypatch.setattr(AbstractConnection, "on_connect_check_health", greet_deafly)
    joining = asyncio.create_task(layer.new_channel())
    async with asyncio.timeout(30):
        await greeting.wait()
        await layer.flush()
        with pytest.raises(RedisConnectionError):
            await joining


async def test_a_call_cancelled_before_the_confirmation_leaves_no_subscription(layer):
    channel, session_id = await layer.new_channel(), uuid4()
    (of_this_loop,) = layer._layers.values()
    joining = asyncio.create_task(layer.group_add(keys.group(session_id), channel))
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert not of_this_loop.groups
    await asyncio.to_thread(servers.wait_until, lambda: subscribers(session_id) == 0, 30, "nobody listens")
    await layer.group_add(keys.group(session_id), channel)
    await publish(session_id, 1)
    async with asyncio.timeout(30):
        assert (await layer.receive(channel))["number"] == 1


async def test_a_caller_fails_at_once_when_its_channel_is_unsubscribed_meanwhile():
    def reply_to(command: list[bytes], _connection: int) -> bytes | None:
        if command[0] == b"SUBSCRIBE":
            return b"" if b"__group__" in command[1] else confirmation_of(command)
        return None

    async with Server(reply_to).layer() as layer:
        channel = await layer.new_channel()
        joining = [asyncio.create_task(layer.group_add("g", channel)) for _ in range(2)]
        await asyncio.sleep(0)
        joining[0].cancel()
        async with asyncio.timeout(30):
            with pytest.raises(RedisConnectionError):
                await joining[1]
        assert joining[0].cancelled()


async def test_the_confirmation_of_a_cancelled_subscription_does_not_confirm_a_new_one(monkeypatch):
    asked = []

    def reply_to(command: list[bytes], _connection: int) -> bytes | None:
        if command[0] not in (b"SUBSCRIBE", b"UNSUBSCRIBE"):
            return None
        if b"__group__" in command[1]:
            asked.append(command)
            return confirmation_of(asked[0]) if command[0] == b"UNSUBSCRIBE" else b""
        return confirmation_of(command)

    async with Server(reply_to).layer() as layer:
        channel = await layer.new_channel()
        monkeypatch.setattr("synckairos.redis.channel_layer._SUBSCRIBE_TIMEOUT_S", 0.5)
        given_up = asyncio.create_task(layer.group_add("g", channel))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        with pytest.raises(RedisTimeoutError):
            await layer.group_add("g", channel)
        assert [command[0] for command in asked[:3]] == [b"SUBSCRIBE", b"UNSUBSCRIBE", b"SUBSCRIBE"]


async def test_a_cancelled_call_keeps_the_subscriptions_of_other_callers(layer):
    first, second = await layer.new_channel(), await layer.new_channel()
    session_id = uuid4()
    await layer.group_add(keys.group(session_id), first)
    await cut()
    (of_this_loop,) = layer._layers.values()
    (connection,) = of_this_loop._shards
    async with asyncio.timeout(30):
        while connection._connection is not None:  # noqa: ASYNC110 - nobody says so; it is back after 50 ms at the earliest
            await asyncio.sleep(0)
    joining = [asyncio.create_task(layer.group_add(keys.group(session_id), channel)) for channel in (first, second)]
    await asyncio.sleep(0)
    for task in joining:
        task.cancel()
    await asyncio.to_thread(servers.wait_until, lambda: subscribers(session_id) == 1, 30, "it is back")
    await publish(session_id, 1)
    async with asyncio.timeout(30):
        assert (await layer.receive(first))["number"] == 1
    assert waiting(layer, second) == 0


async def test_a_channel_that_is_given_up_or_cannot_be_is_forgotten(monkeypatch):
    def reply_to(command: list[bytes], _connection: int) -> bytes | None:
        return b"" if command[0] == b"SUBSCRIBE" else None

    monkeypatch.setattr("synckairos.redis.channel_layer._SUBSCRIBE_TIMEOUT_S", 0.1)
    async with Server(reply_to).layer() as layer:
        given_up = asyncio.create_task(layer.new_channel())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(RedisTimeoutError):
            await layer.new_channel()
        assert given_up.cancelled()
        (of_this_loop,) = layer._layers.values()
        assert not of_this_loop.channels


async def test_flush_fails_waiting_callers_at_once_and_the_layer_can_be_used_again():
    is_deaf = True

    def reply_to(command: list[bytes], _connection: int) -> bytes | None:
        if command[0] == b"SUBSCRIBE":
            return b"" if is_deaf else confirmation_of(command)
        return None

    server = Server(reply_to)
    async with server.layer() as layer:
        joining = asyncio.create_task(layer.new_channel())
        async with asyncio.timeout(30):
            while b"SUBSCRIBE" not in server.asked:  # noqa: ASYNC110 - a list of the test's own
                await asyncio.sleep(0.01)
            await layer.flush()
            with pytest.raises(RedisConnectionError):
                await joining
        is_deaf = False
        await layer.new_channel()


async def test_after_a_lost_connection_exactly_the_wanted_channels_are_subscribed(layer):
    channel = await layer.new_channel()
    kept, left, joined = uuid4(), uuid4(), uuid4()
    for session_id in (kept, left):
        await layer.group_add(keys.group(session_id), channel)
    await cut()
    await layer.group_discard(keys.group(left), channel)
    await layer.group_add(keys.group(joined), channel)
    await asyncio.to_thread(servers.wait_until, lambda: subscribers(kept) == subscribers(joined) == 1, 30, "it is back")
    assert subscribers(left) == 0
    await publish(kept, 1)
    async with asyncio.timeout(30):
        assert (await layer.receive(channel))["number"] == 1


async def test_the_callback_for_missed_messages_runs_when_all_subscriptions_are_restored(layer):
    channel, session_id, back = await layer.new_channel(), uuid4(), asyncio.Event()
    layer.on_reconnected(back.set)
    await layer.group_add(keys.group(session_id), channel)
    assert not back.is_set()
    for _ in range(2):
        await cut()
        async with asyncio.timeout(30):
            await back.wait()
        back.clear()
        await publish(session_id, 1)
        async with asyncio.timeout(30):
            assert (await layer.receive(channel))["number"] == 1


async def test_connections_lost_at_any_moment_leave_no_stray_subscription_and_fail_no_caller(layer):
    channel = await layer.new_channel()
    sessions = [uuid4() for _ in range(20)]

    async def come_and_go(session_id) -> None:
        for _ in range(8):
            await layer.group_add(keys.group(session_id), channel)
            await asyncio.sleep(0)
            await layer.group_discard(keys.group(session_id), channel)

    visiting = asyncio.gather(*(come_and_go(session_id) for session_id in sessions))
    for _ in range(6):
        await asyncio.sleep(0.02)
        await cut()
    async with asyncio.timeout(30):
        await visiting
    await asyncio.to_thread(
        servers.wait_until, lambda: not any(subscribers(session_id) for session_id in sessions), 30, "all are left"
    )
