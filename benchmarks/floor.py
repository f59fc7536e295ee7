"""The floor: the least that an endpoint and a fan-out can cost on this machine. `uvicorn floor:application`.

No framework, no check, no clock.

* `POST /<n>/switch` reads as many bytes from the store as a load does and writes as many as a commit, with plain
  commands through redis-py. `POST /<n>/bare` does so over a connection made for it: what a client library costs.
* `GET /<n>` only reads, and `GET /` asks the store nothing.
* A socket of `/ws?sessionId=<n>` is handed what is published on `floor:<n>`: one frame, encoded once, written to every
  transport.

Settings, all of the environment: `FLOOR_STORE` (path of the store's socket), and the sizes in bytes `FLOOR_STATE`,
`FLOOR_COMMIT` (of all that a commit sends) and `FLOOR_BODY` (of the answer).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from typing import Any, cast

import hiredis
import redis.asyncio
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

STORE = os.environ.get("FLOOR_STORE", "")
STATE = b"s" * int(os.environ.get("FLOOR_STATE", "400"))
REST = b"r" * max(1, int(os.environ.get("FLOOR_COMMIT", "2000")) - len(STATE))
BODY = b"b" * int(os.environ.get("FLOOR_BODY", "900"))
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
ANSWER = {"type": "http.response.body", "body": BODY}
FIRST = b"\x81\x02{}"
_LONGEST_SHORT = 125
viewers: dict[bytes, set[asyncio.Transport]] = {}
"""By the channel of their session."""


class StoreLine(asyncio.Protocol):
    """One connection to the store: commands go out as they come, replies come back in order."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._reader = hiredis.Reader()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, *command: bytes) -> asyncio.Future[Any]:
        """Send a command; gives its reply to come."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        self.transport.write(hiredis.pack_command(command))
        return reply

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)


class FanOut(StoreLine):
    """The connection that is subscribed: whatever comes goes to every viewer of that session."""

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if reply[0] == b"message":
                frame = framed(reply[2])
                for transport in viewers[reply[1]]:
                    transport.write(frame)


def framed(payload: bytes) -> bytes:
    """A text frame as it stands on the wire, for payloads of up to 65 535 bytes."""
    size = len(payload)
    return (bytes((0x81, size)) if size <= _LONGEST_SHORT else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


class FloorSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, whose transport is known."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        self.scope["extensions"]["floor"] = cast("Any", self.transport)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Handle a connection as an ASGI application: its life span, a socket or a request."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await watch(scope, receive, send)
    else:
        await answer(scope["path"].encode(), send)


async def answer(path: bytes, send: Any) -> None:
    """Answer a request with the calls to the store that its path names, and a fixed body."""
    number, _, verb = path[1:].partition(b"/")
    if verb == b"switch":
        await library.get(b"floor:s:" + number)
        await library.mset({b"floor:s:" + number: STATE, b"floor:r:" + number: REST})
    elif verb == b"bare":
        await line.ask(b"GET", b"floor:s:" + number)
        await line.ask(b"MSET", b"floor:s:" + number, STATE, b"floor:r:" + number, REST)
    elif number:
        await library.get(b"floor:s:" + number)
    await send(START)
    await send(ANSWER)


async def watch(scope: Any, receive: Any, send: Any) -> None:
    """One socket, until it goes."""
    transport = scope["extensions"]["floor"]
    await receive()
    await send({"type": "websocket.accept"})
    channel = b"floor:" + scope["query_string"].removeprefix(b"sessionId=")
    if channel not in viewers:
        viewers[channel] = set()
        subscribed.transport.write(hiredis.pack_command((b"SUBSCRIBE", channel)))
    viewers[channel].add(transport)
    transport.write(FIRST)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        viewers[channel].discard(transport)


async def lifespan(receive: Any, send: Any) -> None:
    """Connect to the store."""
    global line, subscribed, library  # noqa: PLW0603 - one process, one application
    loop = asyncio.get_running_loop()
    await receive()
    _, line = await loop.create_unix_connection(StoreLine, STORE)
    _, subscribed = await loop.create_unix_connection(FanOut, STORE)
    library = redis.asyncio.Redis(unix_socket_path=STORE, protocol=2)
    await send({"type": "lifespan.startup.complete"})
    print("serving", flush=True)
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


line: StoreLine
subscribed: FanOut
library: redis.asyncio.Redis


def main() -> None:
    """Serve on an inherited listening socket, as the product does."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws=FloorSocket,
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
