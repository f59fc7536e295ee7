"""Many sockets in one process, as light as they can be: frames are counted, not decoded, and pings are answered.

A client of the ordinary kind costs more than what it measures.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from typing import cast
from urllib.parse import urlsplit

_HEADER = 2
_LENGTH_16, _LENGTH_64 = 126, 127
_PING, _CLOSE = 0x89, 0x88
_OPENING_TOGETHER = 64


class Member(asyncio.Protocol):
    """One socket of a crowd, which counts its text frames and keeps none of them."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self.crowd = crowd
        self.frames = 0
        """Text frames so far."""
        self.closed_with: int | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._request = request
        self._is_upgraded = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not self._is_upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_upgraded = True
        at = 0
        while (end := self._end_of_frame(data, at)) is not None:
            self._take(data[at], data[at:end])
            at = end
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.lost += 1
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("refused"))

    @staticmethod
    def _end_of_frame(data: bytes, at: int) -> int | None:
        if len(data) < at + _HEADER:
            return None
        length, header = data[at + 1], _HEADER
        if length in {_LENGTH_16, _LENGTH_64}:
            header += 2 if length == _LENGTH_16 else 8
            if len(data) < at + header:
                return None
            length = int.from_bytes(data[at + _HEADER : at + header], "big")
        return at + header + length if len(data) >= at + header + length else None

    def _take(self, kind: int, frame: bytes) -> None:
        if kind == _PING:
            self.transport.write(bytes((0x8A, 0x80 | (len(frame) - _HEADER))) + bytes(4) + frame[_HEADER:])
        elif kind == _CLOSE:
            self.closed_with = int.from_bytes(frame[_HEADER : _HEADER + 2], "big")
        else:
            self.frames += 1
            if not self.opened.done():
                self.opened.set_result(None)
            self.crowd.count()


class Crowd:
    """All sockets of a measurement."""

    def __init__(self, url: str, kind: type[Member] = Member) -> None:
        parts = urlsplit(url)
        self.kind = kind
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.members: list[Member] = []
        self.lost = 0
        """Connections that have ended."""
        self.frames = 0
        """Text frames of all members."""
        self._awaited = 0
        self._there = asyncio.Event()

    def count(self) -> None:
        """Count one more frame, and end a wait for this number."""
        self.frames += 1
        if self.frames >= self._awaited:
            self._there.set()

    async def reach(self, frames: int, within_s: float = 60) -> None:
        """Wait until so many frames have come."""
        self._awaited = frames
        if self.frames < frames:
            self._there.clear()
            await asyncio.wait_for(self._there.wait(), within_s)

    async def open(self, addresses: list[tuple[str, str]]) -> None:
        """A socket for each (session id, token), each with its first frame."""
        gate = asyncio.Semaphore(_OPENING_TOGETHER)

        async def one(session_id: str, token: str) -> None:
            async with gate:
                loop = asyncio.get_running_loop()
                request = self.request(session_id, token)
                _, member = await loop.create_connection(lambda: self.kind(self, request), self.host, self.port)
                self.members.append(member)
                await asyncio.wait_for(member.opened, 30)

        await asyncio.gather(*(one(*address) for address in addresses))

    def request(self, session_id: str, token: str) -> bytes:
        """Return the bytes of a handshake of a socket to a session."""
        lines = [
            f"GET /ws?sessionId={session_id} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {token}",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    async def open_mute(self, session_id: str, token: str) -> socket.socket:
        """A socket that nobody will ever read."""
        mute = socket.socket()
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(mute, (self.host, self.port))
        await loop.sock_sendall(mute, self.request(session_id, token))
        return mute

    def leave(self) -> None:
        """Close all sockets at once, without a closing handshake."""
        for member in self.members:
            member.transport.abort()
        self.members.clear()
