"""Handshakes that come together are taken one in each turn of the loop, and nobody else waits for all of them."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from synckairos.webserver import fair_queue
from synckairos.webserver.fair_queue import FairQueue
from synckairos.webserver.http_protocol import HttpProtocol
from synckairos.webserver.websocket_protocol import WebSocketProtocol

NUMBER = 20
PATIENCE_S = 30.0
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def refusing(scope, receive, send):
    """An application that lets nobody in."""
    await receive()
    await send({"type": "websocket.close"})


async def until(is_so):
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - some of what is waited for tells nobody
            await asyncio.sleep(0)


@asynccontextmanager
async def clients():
    """Our protocols on this loop, and clients that are accepted and have said nothing yet."""
    config = uvicorn.Config(refusing, http=HttpProtocol, ws=WebSocketProtocol, log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
        stack.callback(server.close)
        address = server.sockets[0].getsockname()
        made = [stack.enter_context(socket.socket()) for _ in range(NUMBER)]
        for client in made:
            client.setblocking(False)
            await loop.sock_connect(client, address)
        await until(lambda: len(state.connections) == NUMBER)
        yield state, made


async def answer_of(client):
    """The first bytes of what a client is told."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(client, 12)


@pytest.fixture
def taken(monkeypatch):
    """The turn of the loop in which each connection was handed over; a turn is counted by `count`."""
    seen = []
    inner = WebSocketProtocol.connection_made

    def made(self, transport):
        seen.append(taken_now[0])
        inner(self, transport)

    taken_now = [0]

    def count():
        taken_now[0] += 1
        asyncio.get_running_loop().call_soon(count)

    monkeypatch.setattr(WebSocketProtocol, "connection_made", made)
    return seen, count


def test_handshakes_that_come_together_are_taken_one_in_each_turn(taken):
    seen, count = taken

    async def come():
        async with clients() as (_, made):
            count()
            for client in made:
                client.send(HANDSHAKE)
            assert [await answer_of(client) for client in made] == [b"HTTP/1.1 403"] * NUMBER

    asyncio.run(come())
    assert len(seen) == len(set(seen)) == NUMBER


def test_who_waits_for_a_turn_when_the_process_ends_is_told(monkeypatch):
    async def come():
        monkeypatch.setattr(fair_queue, "handshakes", waiting := FairQueue())
        waiting._has_run = True
        async with clients() as (state, made):
            for client in made:
                client.send(HANDSHAKE)
            await until(lambda: len(waiting._pending) == NUMBER)
            for connection in list(state.connections):
                connection.shutdown()
            assert [await answer_of(client) for client in made] == [b"HTTP/1.1 503"] * NUMBER
            waiting._run_next()
            await until(lambda: not waiting._pending and not state.connections)

    asyncio.run(come())


def test_who_leaves_before_its_turn_is_forgotten(monkeypatch):
    async def come():
        monkeypatch.setattr(fair_queue, "handshakes", waiting := FairQueue())
        waiting._has_run = True
        async with clients() as (state, made):
            for client in made:
                client.send(HANDSHAKE)
            await until(lambda: len(waiting._pending) == NUMBER)
            for client in made:
                client.close()
            waiting._run_next()
            await until(lambda: not waiting._pending and not state.connections)

    asyncio.run(come())


def test_a_piece_of_work_that_fails_keeps_no_other_from_its_turn():
    async def work():
        done = []
        taken = FairQueue()
        with pytest.raises(ZeroDivisionError):
            taken.run(lambda: 1 // 0)
        for number in range(3):
            taken.run(lambda number=number: done.append(number))
        assert done == []
        await until(lambda: len(done) == 3)
        assert done == [0, 1, 2]

    asyncio.run(work())
