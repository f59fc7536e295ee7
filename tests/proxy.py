"""A TCP proxy that can lose replies and cut connections: the bad network of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Passes bytes between clients and one server until told to misbehave."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.marker = b""
        self.times = 0
        self.lost = 0
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def lose_reply_to(self, marker: bytes, times: int = 1) -> None:
        """Lose the reply to the next requests that contain the marker: the connection is cut instead."""
        self.marker, self.times = marker, times

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for end in list(self._ends):
            end.close()
        await asyncio.gather(*list(self._serving), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self._ends |= {writer, upstream_writer}
        doomed = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(reader, upstream_writer, doomed)),
            asyncio.create_task(self._replies(upstream_reader, writer, doomed)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, upstream_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
            self._ends -= {writer, upstream_writer}
            self._serving.discard(task)

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 20):
            if self.times and self.marker in data:
                self.times -= 1
                doomed.set()
            writer.write(data)
            await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            if doomed.is_set():
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a local port."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
