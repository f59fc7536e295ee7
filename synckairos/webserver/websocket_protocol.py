"""Uvicorn's WebSocket protocol, with what ASGI has no message for.

It is a `ClientTransport`: frames that are encoded once are written without a task for each socket. It pings at an
interval of its own for each socket, measures round trips by its pings, counts frames before they are decoded, and can
close the connection of a peer that does not read. It uses names of Uvicorn and websockets that are not public
(docs/webserver.md); tests/synckairos/webserver/test_websocket_server.py fails when these change.
"""

from __future__ import annotations

from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

from websockets import http11
from websockets.frames import Frame as PeerFrame
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import State

from synckairos.close_codes import CloseCode, CloseReason
from synckairos.conf import conf
from synckairos.errors import ApiError, ServiceUnavailable, ValidationFailed
from synckairos.http import security_log
from synckairos.http.security_headers import raw_error_response
from synckairos.http.security_log import Reason
from synckairos.telemetry import logs, metrics
from synckairos.webserver.http_protocol import UNSENT_BYTES
from synckairos.webserver.message_rate import MessageRateLimit
from synckairos.webserver.round_trips import MeasuringProtocol
from synckairos.webserver.transport import TRANSPORT_EXTENSION, Frame, RawTransport

log = logs.get_logger(__name__)

_CLOSE_TIMEOUT_S = 5.0
"""The time that a peer has to read a close frame."""
_ABNORMAL_CLOSURE = 1006
_SHUTDOWN_TIMEOUT_S = 1.0
"""The time that a peer has to read a close frame when the process ends."""
http11.MAX_LINE_LENGTH = conf().max_head_bytes
"""The longest line in the head of a handshake, measured before; the library would refuse long tokens."""
_COUNTED_OPCODES = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG})


class WebSocketProtocol(MeasuringProtocol):
    """One WebSocket connection with its bounds."""

    on_writable: Callable[[], None] | None = None
    on_blocked: Callable[[], None] | None = None
    on_violation: Callable[[int, str], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rate = conf().rate_frames
        self._message_rate = None if rate is None else MessageRateLimit(rate)
        self.close_timeout = _CLOSE_TIMEOUT_S
        self._abort_timer: TimerHandle | None = None
        self._handshake_timer: TimerHandle | None = None
        """Rejects a handshake that is not answered in time."""
        self._has_room = True
        self._ignores_input = False
        """The peer has broken a rule; the close frame that tells so follows."""

    # ── the client transport ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def raw_transport(self) -> RawTransport | None:
        """The asyncio transport, while the connection is open and has room; else None."""
        return self.transport if self._has_room and self.is_open else None

    def _signal_blocked(self) -> None:
        if self.on_blocked is not None:
            self.on_blocked()

    @property
    def is_writable(self) -> bool:
        """True when there is room; always true on a connection that is ending, which drops what is written."""
        return self.writable.is_set() or not self.is_open

    def write(self, frame: Frame) -> None:
        """Write a frame to the asyncio transport."""
        if self.is_open:
            self.transport.write(frame.encoded)

    def try_write(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and has room; return whether it was written.

        It repeats the conditions of `is_open`: a frame to thousands of sockets costs one call for each.
        """
        transport = self.transport
        if (
            not self.handshake_complete
            or self.close_sent
            or self.disconnected
            or not self._has_room
            or self.conn.state is not State.OPEN
            or transport.is_closing()
        ):
            return False
        transport.write(frame.encoded)
        return True

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, which the peer has `_CLOSE_TIMEOUT_S` to answer."""
        if not self.is_open:
            return
        self._signal_blocked()
        self.stop_keepalive()
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_CLOSE_TIMEOUT_S, self.transport.close)
        self._abort_after(_CLOSE_TIMEOUT_S)

    def force_close(self, code: int, reason: str) -> None:
        """Close the connection likewise: frames that the peer has not read by then are lost."""
        self.close(code, reason)

    def set_ping_interval(self, seconds: float) -> None:
        """Ping at this interval, from the end of the handshake; close when there is no answer within another one."""
        self.ping_interval = self.ping_timeout = seconds

    @property
    def is_open(self) -> bool:
        """True when the handshake is complete and neither side has begun to close."""
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.conn.state is State.OPEN
            and not self.transport.is_closing()
        )

    def _abort_after(self, seconds: float) -> None:
        """Cut the connection after this time: a peer that reads nothing must not keep it."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._abort_timer = self.loop.call_later(seconds, self.transport.abort)

    # ── the protocol of Uvicorn ───────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._handshake_timer = self.loop.call_later(conf().head_timeout_s, self._on_handshake_timeout)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            # The library's rules for a head are stricter than ours; it closes the connection without an answer.
            self._reject(ValidationFailed([("request", "Not a handshake of a WebSocket.")]))

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            offered: dict[Any, Any] = self.scope["extensions"]
            offered[TRANSPORT_EXTENSION] = self

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # by a refusal too, which Uvicorn would log as an error of the application

    def start_keepalive(self) -> None:
        """Begin to ping, once the handshake is complete."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None
        super().start_keepalive()

    def _on_handshake_timeout(self) -> None:
        self._reject(ServiceUnavailable("The connection could not be made in time: try again"))

    def _reject(self, error: ApiError) -> None:
        """Answer a handshake with an error, whatever its state, unless it has been answered."""
        if self.handshake_complete or self.transport.is_closing():
            return
        self.handshake_complete = self.close_sent = self.disconnected = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL_CLOSURE})
        self.transport.write(raw_error_response(error))
        self.transport.close()
        self._abort_after(_CLOSE_TIMEOUT_S)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._has_room = False
        self._signal_blocked()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_room = True
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._signal_blocked()
        for timer in (self._abort_timer, self._handshake_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection at the end of the process, without an error that would keep others from closing."""
        try:
            self._signal_blocked()
            self._close_for_shutdown()
        except Exception:
            log.exception("a connection did not end well")
            self.transport.abort()
        self._abort_after(_SHUTDOWN_TIMEOUT_S)

    def _close_for_shutdown(self) -> None:
        if not self.handshake_complete:
            self._reject(ServiceUnavailable("This server is restarting: connect again, and another one answers"))
        elif self.is_open:
            super().shutdown()
        else:
            self.stop_keepalive()
            self.transport.close()

    def handle_events(self) -> None:
        if not self._exceeds_message_rate():
            super().handle_events()
            return
        self.conn.events_received()  # which are dropped
        security_log.log_refused_connection(Reason.RATE_LIMIT, dict(self.scope), limit="frames")
        if self.is_open:
            self._close_for_violation(CloseReason.TOO_MANY_MESSAGES)
        else:  # a close frame of the peer came after them
            self._signal_blocked()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.TOO_MANY_MESSAGES, "reason": ""})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self._abort_after(_CLOSE_TIMEOUT_S)

    def handle_close(self, event: PeerFrame) -> None:
        self._signal_blocked()
        super().handle_close(event)
        self.stop_keepalive()
        self._abort_after(_CLOSE_TIMEOUT_S)

    def handle_parser_exception(self) -> None:
        self._signal_blocked()
        super().handle_parser_exception()
        self._abort_after(_CLOSE_TIMEOUT_S)

    def send_receive_event_to_app(self) -> None:
        if self._ignores_input:
            self.frames = []
            return
        if self.curr_msg_data_type == "text" and not _is_text(self.frames):
            self.frames = []
            self._close_for_violation(CloseReason.NOT_TEXT)  # Uvicorn would log a traceback for each
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # a peer that reads no pongs gets none: they would pile up here

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.force_close(*CloseReason.NO_PONG.value)

    def _close_for_violation(self, close_reason: CloseReason) -> None:
        """Ignore further input, and close once a command that came before is answered."""
        if self.on_violation is None:
            self.close(*close_reason.value)
            return
        self._ignores_input = True
        self.stop_keepalive()
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        self.on_violation(*close_reason.value)

    def _exceeds_message_rate(self) -> bool:
        message_rate = self._message_rate
        if message_rate is None or not self.handshake_complete or self.close_sent:
            return False
        frames = (event for event in self.conn.events if isinstance(event, PeerFrame))
        return not all(message_rate.try_acquire() for frame in frames if frame.opcode in _COUNTED_OPCODES)


def _is_text(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
