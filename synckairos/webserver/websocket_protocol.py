"""Uvicorn's WebSocket protocol, with what ASGI has no message for.

It is a `Wire`: frames that are encoded once are written to the transport without a task or an await
for each socket. It pings at an interval of the socket's own, counts frames before anybody decodes them, and can part
from a peer that does not listen. It leans on names of Uvicorn's that are not public;
tests/synckairos/webserver/test_websocket_server.py fails when these change.
"""

from __future__ import annotations

from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
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
from synckairos.webserver.message_rate import Allowance
from synckairos.webserver.transport import WIRE_EXTENSION, Direct, Frame

log = logs.get_logger(__name__)

_PARTING_S = 5.0
"""How long a peer that does not listen may take to read why we part."""
_ABNORMAL = 1006
_LAST_WORDS_S = 1.0
"""The same when the process ends."""
http11.MAX_LINE_LENGTH = conf().max_head_bytes
"""Of the head of a handshake. Our HTTP protocol has measured it before; the library would refuse a long token."""
_COUNTED = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG})


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    on_writable: Callable[[], None] | None = None
    on_blocked: Callable[[], None] | None = None
    on_misbehaved: Callable[[int, str], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rate = conf().rate_frames
        self._allowance = None if rate is None else Allowance(rate)
        self.close_timeout = _PARTING_S
        self._parting: TimerHandle | None = None
        self._handshake: TimerHandle | None = None
        """Ends a handshake that nobody answers."""
        self._has_room = True
        self._is_deaf = False
        """What comes is not looked at: the peer has misbehaved, and is about to be told."""

    # ── the wire ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def direct(self) -> Direct | None:
        """The transport, while the connection is open and has room."""
        return self.transport if self._has_room and self.is_open else None

    def _block(self) -> None:
        if self.on_blocked is not None:
            self.on_blocked()

    @property
    def is_writable(self) -> bool:
        """Whether there is room; always on a connection that is ending, which forgets what it is given."""
        return self.writable.is_set() or not self.is_open

    def write(self, frame: Frame) -> None:
        """Hand a frame to the transport."""
        if self.is_open:
            self.transport.write(frame.encoded)

    def take(self, frame: Frame) -> bool:
        """The same in one step, if there is room: `is_writable`, `is_open` and `write` without a call for each.

        This is what a frame to thousands of sockets costs.
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

    def finish(self, code: int, reason: str) -> None:
        """Close: the peer has `_PARTING_S` to answer."""
        if not self.is_open:
            return
        self._block()
        self.stop_keepalive()
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_PARTING_S, self.transport.close)
        self._part_within(_PARTING_S)

    def expel(self, code: int, reason: str) -> None:
        """The same: what it has not read by then is lost."""
        self.finish(code, reason)

    def heartbeat(self, seconds: float) -> None:
        """Ping at this interval; who does not answer within another one is gone. Before the handshake ends."""
        self.ping_interval = self.ping_timeout = seconds

    @property
    def is_open(self) -> bool:
        """Whether the handshake is over and neither side has begun the end."""
        return (
            self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.conn.state is State.OPEN
            and not self.transport.is_closing()
        )

    def _part_within(self, seconds: float) -> None:
        """Whatever is unsent by then is lost: a peer that takes nothing must not keep the connection."""
        if self._parting is not None:
            self._parting.cancel()
        self._parting = self.loop.call_later(seconds, self.transport.abort)

    # ── Uvicorn's side ────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._handshake = self.loop.call_later(conf().head_timeout_s, self._handshake_is_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            # The library's rules for a head are stricter than ours after all, and it would never say so.
            self._refuse(ValidationFailed([("request", "Not a handshake of a WebSocket.")]))

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            offered: dict[Any, Any] = self.scope["extensions"]
            offered[WIRE_EXTENSION] = self

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # by a refusal too, which Uvicorn logs as a fault of the application's

    def start_keepalive(self) -> None:
        """The handshake is over."""
        if self._handshake is not None:
            self._handshake.cancel()
            self._handshake = None
        super().start_keepalive()

    def _handshake_is_late(self) -> None:
        self._refuse(ServiceUnavailable("The connection could not be made in time: try again"))

    def _refuse(self, error: ApiError) -> None:
        """End a handshake that was not answered yet, in whatever state it is."""
        if self.handshake_complete or self.transport.is_closing():
            return
        self.handshake_complete = self.close_sent = self.disconnected = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL})
        self.transport.write(raw_error_response(error))
        self.transport.close()
        self._part_within(_PARTING_S)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._has_room = False
        self._block()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_room = True
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._block()
        for clock in (self._parting, self._handshake):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The process ends. Those who were sent away have heard it; the others hear it now. Whatever state this
        connection is in, it keeps none of the others from ending well."""
        try:
            self._block()
            self._say_farewell()
        except Exception:
            log.exception("a connection did not end well")
            self.transport.abort()
        self._part_within(_LAST_WORDS_S)

    def _say_farewell(self) -> None:
        if not self.handshake_complete:
            self._refuse(ServiceUnavailable("This server is restarting: connect again, and another one answers"))
        elif self.is_open:
            super().shutdown()
        else:
            self.stop_keepalive()
            self.transport.close()

    def handle_events(self) -> None:
        if not self._is_too_much():
            super().handle_events()
            return
        self.conn.events_received()  # and nobody looks at them
        security_log.log_refused_connection(Reason.RATE_LIMIT, dict(self.scope), limit="frames")
        if self.is_open:
            self._end(CloseReason.TOO_MANY_MESSAGES)
        else:  # the peer has said goodbye behind them
            self._block()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.TOO_MANY_MESSAGES, "reason": ""})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self._part_within(_PARTING_S)

    def handle_close(self, event: PeerFrame) -> None:
        self._block()
        super().handle_close(event)
        self.stop_keepalive()
        self._part_within(_PARTING_S)

    def handle_parser_exception(self) -> None:
        self._block()
        super().handle_parser_exception()
        self._part_within(_PARTING_S)

    def send_receive_event_to_app(self) -> None:
        if self._is_deaf:
            self.frames = []
            return
        if self.curr_msg_data_type == "text" and not _is_text(self.frames):
            self.frames = []
            self._end(CloseReason.NOT_TEXT)  # Uvicorn would write a traceback for each
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # who reads no answers gets none: they would pile up here

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.expel(*CloseReason.NO_PONG.value)

    def _end(self, farewell: CloseReason) -> None:
        """Hear no more of the peer, and close, once what it had asked for before is answered."""
        if self.on_misbehaved is None:
            self.finish(*farewell.value)
            return
        self._is_deaf = True
        self.stop_keepalive()
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        self.on_misbehaved(*farewell.value)

    def _is_too_much(self) -> bool:
        allowance = self._allowance
        if allowance is None or not self.handshake_complete or self.close_sent:
            return False
        frames = (event for event in self.conn.events if isinstance(event, PeerFrame))
        return not all(allowance.take() for frame in frames if frame.opcode in _COUNTED)


def _is_text(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
