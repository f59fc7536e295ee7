"""A relay between a client and a web process that loses frames, cuts connections, and refuses them when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests import servers

Frame = dict[str, Any]


def no_frame(_frame: Frame) -> bool:
    """All is well."""
    return False


def as_it_is(frame: Frame) -> Frame:
    """No change."""
    return frame


class Relay:
    """Passes frames between clients and one server until told to misbehave."""

    def __init__(self, web: servers.Web) -> None:
        self.web = web
        self.url = ""
        self.loses: Callable[[Frame], bool] = no_frame
        """Which frames of the server get lost."""
        self.cuts_at: Callable[[Frame], bool] = no_frame
        """Which frame of the server gets lost, once, and the connection with it."""
        self.edits: Callable[[Frame], Frame] = as_it_is
        """What becomes of the frames of the server."""
        self.lost: list[Frame] = []
        self.sent: list[Frame] = []
        """What the clients have said."""
        self.refusal: HTTPStatus | None = None
        self.opened = 0
        self._open: set[ServerConnection] = set()

    async def end_all(self, code: int, reason: str = "") -> None:
        """Close every connection, as the server would."""
        for client in list(self._open):
            await client.close(code, reason)

    def cut_all(self) -> None:
        """Every connection breaks."""
        for client in list(self._open):
            client.transport.abort()

    def decide(self, client: ServerConnection, request: Request) -> Response | None:
        """The handshake."""
        return None if self.refusal is None else client.respond(self.refusal, "")

    async def serve(self, client: ServerConnection) -> None:
        """One connection."""
        request = client.request
        assert request is not None
        headers = {"Authorization": request.headers["Authorization"]}
        async with connect(self.web.ws_url + request.path, additional_headers=headers) as server:
            self.opened += 1
            self._open.add(client)
            ways = [asyncio.create_task(self._up(client, server)), asyncio.create_task(self._down(server, client))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self._open.discard(client)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if server.close_code is not None:
                await client.close(server.close_code, server.close_reason or "")

    async def _up(self, client: Any, server: Any) -> None:
        with suppress(ConnectionClosed):
            async for text in client:
                self.sent.append(json.loads(text))
                await server.send(text)

    async def _down(self, server: Any, client: Any) -> None:
        with suppress(ConnectionClosed):
            async for text in server:
                frame = json.loads(text)
                if self.cuts_at(frame):
                    self.cuts_at = no_frame
                    client.transport.abort()
                    return
                if self.loses(frame):
                    self.lost.append(frame)
                else:
                    await client.send(json.dumps(self.edits(frame)))


@asynccontextmanager
async def relay_to(web: servers.Web) -> AsyncIterator[Relay]:
    """A relay in front of a web process."""
    relay = Relay(web)
    async with serve(relay.serve, "127.0.0.1", 0, process_request=relay.decide, select_subprotocol=None) as server:
        relay.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield relay
