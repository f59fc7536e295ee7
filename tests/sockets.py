"""A WebSocket client for the tests: frames as dicts, each as the AsyncAPI document has it, waiting by type."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import documented, servers

WITHIN_S = 60.0


def until_listened(session_id: str) -> None:
    """Wait until a process listens for this session's news: who polls, or has connected, has joined."""
    channel = keys.group_channel(UUID(session_id))
    servers.wait_until(
        lambda: redis_client.blocking_client().pubsub_numsub(channel)[0][1], WITHIN_S, "somebody listens"
    )


class Screen:
    """One client of one session; `frames` holds everything it has received."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []

    async def receive(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """The next frame."""
        text = await asyncio.wait_for(self.connection.recv(), within_s)
        frame: dict[str, Any] = json.loads(text)
        documented.check(frame)
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, within_s: float = WITHIN_S, **wanted: Any) -> dict[str, Any]:
        """Skip frames until one of this type (and with these values) arrives."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.receive(within_s)
                if frame["type"] == kind and all(frame.get(name) == value for name, value in wanted.items()):
                    return frame

    async def until_version(self, version: int, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Skip frames until a state of at least this version arrives."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.receive(within_s)
                if frame.get("state") and frame["version"] >= version:
                    return frame

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.connection.send(json.dumps(frame))

    async def closed(self, within_s: float = WITHIN_S) -> tuple[int | None, str | None]:
        """Wait for the end; gives its code and reason."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    await self.receive(within_s)
        except ConnectionClosed:
            return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def screen(web: servers.Web, session_id: str, token: str, **options: Any) -> AsyncIterator[Screen]:
    """A connected client, its token in the header."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{web.ws_url}/ws?sessionId={session_id}"
    async with connect(address, additional_headers=headers, **options) as connection:
        yield Screen(connection)
