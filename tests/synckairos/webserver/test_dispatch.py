"""Our server between its connections and the early handler: whatever the handler does, each request is answered."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest
import uvicorn

from synckairos.http.asgi import server_request_of
from synckairos.webserver.http_protocol import HttpProtocol
from tests.loops import let_time_pass

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


class Handler:
    """Answers some requests, forwards others later, and fails at others."""

    def matches(self, method, path):
        return path != "/unknown"

    def try_handle(self, request):
        match request.path:
            case "/fails":
                raise LookupError
            case "/later":
                asyncio.get_running_loop().call_later(0.01, request.forward)
            case "/served":
                request.answer(200, b"", b"served")
            case _:
                return False
        return True


class Application:
    """Says who has answered."""

    def __init__(self):
        self.early_handler = Handler()

    async def __call__(self, scope, receive, send):
        refusal = server_request_of(scope).refusal
        text = b"application" if refusal is None else refusal.code.encode()
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]}
        await send(start)
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
async def connect():
    """Opens connections to a server of ours with that handler."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Application(), http=HttpProtocol, lifespan="off", proxy_headers=False, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))

    async def opened():
        return await asyncio.open_connection(*listener.getsockname())

    listener.listen()
    while not server.started:  # noqa: ASYNC110 - Uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield opened
    server.should_exit = True
    await serving


async def answer_of(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return (await reader.readexactly(length)).decode()


WHO = {"served": "served", "other": "application", "unknown": "application", "later": "application"}


async def test_each_request_is_answered_by_whoever_takes_it(connect):
    reader, writer = await connect()
    for path, who in (*WHO.items(), ("fails", "INTERNAL_ERROR")):
        writer.write(GET % path.encode())
        assert await answer_of(reader) == who
    writer.close()


async def test_those_of_one_connection_are_answered_in_their_order(connect):
    reader, writer = await connect()
    paths = ["later", "served", "fails", "other", "served", "later", "unknown"]
    writer.write(b"".join(GET % path.encode() for path in paths))
    answers = [await answer_of(reader) for _ in paths]
    assert answers == [WHO.get(path, "INTERNAL_ERROR") for path in paths]
    writer.close()


async def test_a_connection_that_has_ended_leaves_nothing_to_the_garbage_collector(connect, monkeypatch):
    alive = weakref.WeakSet()
    monkeypatch.setattr(HttpProtocol, "on_message_begin", noting(HttpProtocol.on_message_begin, alive))
    gc.collect()
    gc.disable()
    try:
        for path in ("served", "other", "later"):
            reader, writer = await connect()
            writer.write(GET % path.encode())
            await answer_of(reader)
            writer.close()
            await writer.wait_closed()
        let_time_pass(60)  # timers that were stopped are kept until they would have been due
        async with asyncio.timeout(90):
            while alive:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


def noting(method, seen):
    def noted(self):
        seen.add(self)
        method(self)

    return noted
