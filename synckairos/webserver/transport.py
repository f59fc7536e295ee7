"""The way to one client, whatever carries it: take a frame at once, or say that there is no room just now.

`SocketProtocol` (websocket_protocol.py) is the one of our own server, without a task for each socket. `TaskWire` makes
one of anything that can be awaited: Server-Sent Events, and WebSockets under another ASGI server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Protocol

from synckairos import background
from synckairos.telemetry import metrics

WIRE_EXTENSION = "synckairos.wire"
"""Where a server of ours offers its wire, in the ASGI scope's `extensions`."""

_TEXT_FRAME = 0x81
_MAX_LENGTH_7_BITS, _MAX_LENGTH_16_BITS = 125, 65_535


class Frame:
    """One message on its way to any number of clients, encoded once for all of them."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        """JSON, UTF-8."""

    @cached_property
    def encoded(self) -> bytes:
        """As a WebSocket frame: final, text, not masked (RFC 6455, 5.2)."""
        length = len(self.payload)
        if length <= _MAX_LENGTH_7_BITS:
            return bytes((_TEXT_FRAME, length)) + self.payload
        if length <= _MAX_LENGTH_16_BITS:
            return b"\x81\x7e" + length.to_bytes(2, "big") + self.payload
        return b"\x81\x7f" + length.to_bytes(8, "big") + self.payload


class Direct(Protocol):
    """Where whole frames may be written straight: a transport."""

    def write(self, data: bytes) -> None:
        """Write, at once or soon."""

    def is_closing(self) -> bool:
        """Whether it takes nothing any more."""


class Wire(Protocol):
    """What an outlet needs of the other side."""

    on_writable: Callable[[], None] | None
    """Called when there is room again."""
    on_blocked: Callable[[], None] | None
    """Called before `direct` ends."""
    on_misbehaved: Callable[[int, str], None] | None
    """Called with code and reason when the peer has done what ends a connection: no more of it is heard, and `finish`
    is awaited, before which the answer to what is being carried out may go."""

    @property
    def direct(self) -> Direct | None:
        """Where whole frames may be written straight, as long as the wire is open and has room; None for nowhere."""

    @property
    def is_open(self) -> bool:
        """Whether what the peer says still counts."""

    @property
    def is_writable(self) -> bool:
        """Whether `write` may be called."""

    def heartbeat(self, seconds: float) -> None:
        """Ask for a sign of life at this interval."""

    def write(self, frame: Frame) -> None:
        """Take a frame; on a connection that is gone, forget it."""

    def take(self, frame: Frame) -> bool:
        """Write a frame if there is room on an open connection; False, and nothing has happened, if not."""

    def finish(self, code: int, reason: str) -> None:
        """End the connection after what has been taken."""

    def expel(self, code: int, reason: str) -> None:
        """End it with a peer that does not listen: say so, and wait for nothing."""


class TaskWire:
    """A wire over coroutines: one frame at a time, each in a task of its own."""

    def __init__(
        self,
        send: Callable[[Frame], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        on_broken: Callable[[], None] | None = None,
    ) -> None:
        self.on_writable: Callable[[], None] | None = None
        self.on_blocked: Callable[[], None] | None = None
        self.on_misbehaved: Callable[[int, str], None] | None = None
        self.direct = None
        self.is_open = True
        self._send = send
        self._close = close
        self._on_broken = on_broken
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_writable(self) -> bool:
        """Whether the last frame has gone."""
        return self._sending is None

    def heartbeat(self, seconds: float) -> None:
        """The server beneath has an interval of its own."""

    def write(self, frame: Frame) -> None:
        """Send in a task."""
        self._sending = background.start(self._send(frame), "send")
        self._sending.add_done_callback(self._sent)

    def take(self, frame: Frame) -> bool:
        """Send in a task, if none is at it."""
        if not (self.is_open and self.is_writable):
            return False
        self.write(frame)
        return True

    def finish(self, code: int, reason: str) -> None:
        """Close in a task."""
        self.is_open = False
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self._sending = background.start(self._close(code, reason), "close")

    def expel(self, code: int, reason: str) -> None:
        """Give up what is being sent, and close."""
        if self._sending is not None:
            self._sending.cancel()
        self.finish(code, reason)

    def _sent(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            self.is_open = False  # the connection is gone; not every server says so by itself
            if self._on_broken is not None:
                self._on_broken()
            return
        self._sending = None
        if self.on_writable is not None:
            self.on_writable()
