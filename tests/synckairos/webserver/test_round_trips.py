"""What counts as a round trip of a WebSocket: the answer to a ping of the server, by the server's own clock."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest
import uvicorn
from websockets.frames import Frame, Opcode

from synckairos.webserver import round_trips
from synckairos.webserver.http_protocol import HttpProtocol
from synckairos.webserver.round_trips import KEPT
from synckairos.webserver.transport import TRANSPORT_EXTENSION
from synckairos.webserver.websocket_protocol import WebSocketProtocol

WITHIN_S = 60
NEVER_S = 3_600.0
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING = Frame(Opcode.PING, b"").serialize(mask=False)[:1]


class Peer:
    """A client whose pongs a test sends, and its connection as the server has it."""

    def __init__(self, reader, writer, protocol, clock):
        self.reader, self.writer, self.protocol, self.clock = reader, writer, protocol, clock

    async def pinged(self):
        """Return the payload of the next ping."""
        async with asyncio.timeout(WITHIN_S):
            head = await self.reader.readexactly(2)
            assert head[:1] == PING
            return await self.reader.readexactly(head[1])

    async def pong(self, payload):
        """Send a pong, and a ping, whose answer tells that the server has read both."""
        self.writer.write(
            Frame(Opcode.PONG, payload).serialize(mask=True) + Frame(Opcode.PING, b"?").serialize(mask=True)
        )
        async with asyncio.timeout(WITHIN_S):
            assert await self.reader.readexactly(3) == Frame(Opcode.PONG, b"?").serialize(mask=False)

    async def answer(self, after_ms):
        """Answer the next ping when this time has passed on the server's clock."""
        payload = await self.pinged()
        self.clock.pass_ms(after_ms)
        await self.pong(payload)

    def ping_again(self):
        """Let the server send the next ping, which is not due yet."""
        self.protocol.ping_timer.cancel()
        self.protocol.send_keepalive_ping()


class Loop:
    """The event loop as the connection sees it: its clock stands still unless a test moves it, no timer is due."""

    def __init__(self, loop):
        self.now_s = 1_000.0
        self._loop = loop

    def call_later(self, delay_s, callback):
        return self._loop.call_later(NEVER_S, callback)

    def time(self):
        return self.now_s


class Clock:
    """A monotonic clock that stands still unless a test moves it."""

    def __init__(self):
        self.now_ns = 0

    def monotonic_ns(self):
        return self.now_ns

    def pass_ms(self, ms):
        self.now_ns += int(ms * 1_000_000)


@pytest.fixture
async def peer(monkeypatch):
    """A client of a server whose pings come when a test says so."""
    clock, accepted = Clock(), asyncio.get_running_loop().create_future()
    monkeypatch.setattr(round_trips, "time", SimpleNamespace(monotonic_ns=clock.monotonic_ns))

    async def accepting(scope, receive, send):
        await receive()
        protocol = scope["extensions"][TRANSPORT_EXTENSION]
        protocol.set_ping_interval(NEVER_S)
        await send({"type": "websocket.accept"})
        accepted.set_result(protocol)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(accepting, http=HttpProtocol, ws=WebSocketProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(HANDSHAKE)
    async with asyncio.timeout(WITHIN_S):
        await reader.readuntil(b"\r\n\r\n")
        yield Peer(reader, writer, await accepted, clock)
    writer.close()
    server.should_exit = True
    server.config.timeout_graceful_shutdown = 0
    await serving


def measure(peer):
    peer.protocol.measure_round_trips(NEVER_S, NEVER_S)


async def test_a_round_trip_lasts_from_the_ping_to_its_pong_in_whole_milliseconds(peer):
    measure(peer)
    assert peer.protocol.round_trip_ms is None
    await peer.answer(after_ms=81.9)
    assert peer.protocol.round_trip_ms == 81


async def test_the_shortest_of_the_latest_round_trips_counts(peer):
    measure(peer)
    for after_ms in (40, *[900] * (KEPT - 1)):
        await peer.answer(after_ms)
        assert peer.protocol.round_trip_ms == 40
        peer.ping_again()
    await peer.answer(after_ms=700)
    assert peer.protocol.round_trip_ms == 700, "the short one is no longer among the latest"


async def test_pongs_that_nobody_asked_for_measure_nothing(peer):
    for payload in (b"", b"\0" * 8):
        await peer.pong(payload)
    measure(peer)
    payload = await peer.pinged()
    for forged in (b"", b"\0" * len(payload), payload[:-1], payload + b"\0", payload[::-1] + payload):
        await peer.pong(forged)
    assert peer.protocol.round_trip_ms is None
    peer.clock.pass_ms(90)
    await peer.pong(payload)
    assert peer.protocol.round_trip_ms == 90, "the ping still waits for its own answer"


async def test_a_pong_that_comes_twice_measures_once(peer):
    measure(peer)
    payload = await peer.pinged()
    peer.clock.pass_ms(500)
    await peer.pong(payload)
    peer.ping_again()
    await peer.pinged()
    await peer.pong(payload)
    assert peer.protocol.round_trip_ms == 500
    assert len(peer.protocol._latest_ms) == 1


async def test_a_late_pong_measures_all_the_time_that_it_took(peer):
    measure(peer)
    await peer.answer(after_ms=15_000)
    assert peer.protocol.round_trip_ms == 15_000


async def test_no_two_pings_have_the_same_payload(peer):
    measure(peer)
    payloads = []
    for _ in range(5):
        payloads.append(await peer.pinged())
        await peer.pong(payloads[-1])
        peer.ping_again()
    assert len(set(payloads)) == 5
    assert all(len(payload) == 8 for payload in payloads)


async def test_a_ping_that_was_under_way_when_the_measuring_began_is_measured_too(peer):
    peer.ping_again()
    payload = await peer.pinged()
    peer.clock.pass_ms(30)
    measure(peer)
    await peer.pong(payload)
    assert peer.protocol.round_trip_ms == 30


async def test_a_connection_that_is_not_measured_pings_as_ever_and_keeps_nothing(peer):
    peer.ping_again()
    await peer.answer(after_ms=80)
    assert peer.protocol.round_trip_ms is None
    assert peer.protocol._latest_ms is None
    assert peer.protocol.ping_interval == NEVER_S


async def test_pings_are_frequent_for_a_while_and_then_as_before(peer):
    protocol = peer.protocol
    loop = protocol.loop = Loop(protocol.loop)
    protocol.measure_round_trips(2.0, 60.0)
    await peer.answer(after_ms=80)
    assert (protocol.ping_interval, protocol.ping_timeout) == (2.0, NEVER_S)
    loop.now_s += 50
    protocol.measure_round_trips(2.0, 60.0)  # which lets them come until 110
    loop.now_s += 50
    peer.ping_again()
    await peer.answer(after_ms=80)
    assert protocol.ping_interval == 2.0
    loop.now_s += 10
    peer.ping_again()
    await peer.answer(after_ms=80)
    assert protocol.ping_interval == NEVER_S
    assert protocol.round_trip_ms == 80, "what was measured stays"
    protocol.measure_round_trips(2.0, 60.0)
    await peer.answer(after_ms=70)
    assert (protocol.ping_interval, protocol.round_trip_ms) == (2.0, 70)


async def test_a_heartbeat_that_is_shorter_stays(peer):
    peer.protocol.set_ping_interval(1.0)
    peer.protocol.measure_round_trips(2.0, 60.0)
    assert peer.protocol.ping_interval == 1.0


async def test_a_connection_that_closes_is_not_pinged(peer):
    peer.protocol.close(1000, "")
    measure(peer)
    assert peer.protocol.ping_timer is None
    assert peer.protocol.pong_timer is None
    async with asyncio.timeout(WITHIN_S):
        assert await peer.reader.readexactly(2) == b"\x88\x02"
