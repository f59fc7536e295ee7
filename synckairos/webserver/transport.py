"""The transport of frames to one client: it writes a frame at once, or tells that it has no room at the moment.

`WebSocketProtocol` (websocket_protocol.py) is the transport of our own server, without a task for each socket.
`TaskTransport` is one over coroutines: for Server-Sent Events, and for WebSockets under another ASGI server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Protocol

from synckairos import background
from synckairos.telemetry import metrics

TRANSPORT_EXTENSION = "synckairos.transport"
"""The key of our own server's transport in the `extensions` of an ASGI scope."""

_TEXT_FRAME = 0x81
_MAX_LENGTH_7_BITS, _MAX_LENGTH_16_BITS = 125, 65_535


class Frame:
    """One message for any number of clients, encoded once for all of them."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        """The message as JSON in UTF-8."""

    @cached_property
    def encoded(self) -> bytes:
        """The message as a WebSocket frame: final, text, not masked (RFC 6455, 5.2)."""
        length = len(self.payload)
        if length <= _MAX_LENGTH_7_BITS:
            return bytes((_TEXT_FRAME, length)) + self.payload
        if length <= _MAX_LENGTH_16_BITS:
            return b"\x81\x7e" + length.to_bytes(2, "big") + self.payload
        return b"\x81\x7f" + length.to_bytes(8, "big") + self.payload


class RawTransport(Protocol):
    """The part of an asyncio transport that is needed to write encoded frames."""

    def write(self, data: bytes) -> None:
        """Write encoded frames, at once or soon."""

    def is_closing(self) -> bool:
        """Return whether nothing more can be written."""


class ClientTransport(Protocol):
    """The transport of one client, as a subscriber (sessions/hub/subscriber.py) uses it."""

    on_writable: Callable[[], None] | None
    """Called when there is room again."""
    on_blocked: Callable[[], None] | None
    """Called before `raw_transport` becomes None."""
    on_violation: Callable[[int, str], None] | None
    """Called with a close code and a reason when the peer has broken a rule. Its input is ignored from then on; whoever
    is called calls `close`, after the answer to a command that is being carried out."""

    @property
    def raw_transport(self) -> RawTransport | None:
        """The raw transport, while the connection is open and has room; else None."""

    @property
    def is_open(self) -> bool:
        """True while input of the peer is acted on."""

    @property
    def is_writable(self) -> bool:
        """True when `write` may be called."""

    def set_ping_interval(self, seconds: float) -> None:
        """Ping the peer at this interval."""

    def measure_round_trips(self, interval_s: float, for_s: float) -> None:
        """Measure round trips from now on, for this time with pings at this interval, then with the usual ones."""

    @property
    def round_trip_ms(self) -> int | None:
        """The shortest of the latest round trips in whole milliseconds; None when none was measured."""

    def write(self, frame: Frame) -> None:
        """Write a frame; on a connection that has ended, drop it."""

    def try_write(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and has room; return whether it was written."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection after what has been written."""

    def force_close(self, code: int, reason: str) -> None:
        """Close the connection of a peer that does not read: frames that it has not taken may be lost."""


class IndirectTransport:
    """Base of the transports that write to no asyncio transport, and send no pings."""

    on_writable: Callable[[], None] | None = None
    on_blocked: Callable[[], None] | None = None
    on_violation: Callable[[int, str], None] | None = None
    raw_transport = None
    round_trip_ms = None

    def measure_round_trips(self, interval_s: float, for_s: float) -> None:
        """Do nothing, for the same reason as `set_ping_interval`."""

    def set_ping_interval(self, seconds: float) -> None:
        """Do nothing: an ASGI server below has an interval of its own, and a long poll has none."""


class TaskTransport(IndirectTransport):
    """A transport over coroutines: one frame at a time, each in a task."""

    def __init__(
        self,
        send: Callable[[Frame], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        on_broken: Callable[[], None] | None = None,
    ) -> None:
        self.is_open = True
        self._send = send
        self._close = close
        self._on_broken = on_broken
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_writable(self) -> bool:
        """True once the last frame has been sent."""
        return self._sending is None

    def write(self, frame: Frame) -> None:
        """Send a frame in a task."""
        self._sending = background.start(self._send(frame), "send")
        self._sending.add_done_callback(self._on_sent)

    def try_write(self, frame: Frame) -> bool:
        """Send a frame in a task, if no other frame is being sent."""
        if not (self.is_open and self.is_writable):
            return False
        self.write(frame)
        return True

    def close(self, code: int, reason: str) -> None:
        """Close the connection in a task."""
        self.is_open = False
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self._sending = background.start(self._close(code, reason), "close")

    def force_close(self, code: int, reason: str) -> None:
        """Cancel what is being sent, and close the connection."""
        if self._sending is not None:
            self._sending.cancel()
        self.close(code, reason)

    def _on_sent(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            self.is_open = False  # the connection has ended; not every server sends a disconnect event
            if self._on_broken is not None:
                self._on_broken()
            return
        self._sending = None
        if self.on_writable is not None:
            self.on_writable()
