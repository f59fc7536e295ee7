"""One HTTP connection: the protocol of Uvicorn with bounds (docs/webserver.md lists them, and their tests).

A head has a largest size and a time to arrive in, a request that is answered early a time to end, an answer a time to
be read. The application answers what is too large or too slow, like any other error (synckairos/http/body_limits.py).
This module uses names of Uvicorn that are not public; tests/synckairos/webserver/ fails when these change.
"""

from __future__ import annotations

import socket
from asyncio import TimerHandle
from asyncio.transports import Transport
from contextlib import suppress
from typing import Any, cast

from synckairos import lifecycle
from synckairos.conf import conf
from synckairos.errors import AddressTooLong, ApiError, HeadersTooLarge, RequestTimeout, ValidationFailed
from synckairos.telemetry import logs
from synckairos.webserver.coalescing_transport import CoalescingTransport
from synckairos.webserver.cycle import Cycle
from synckairos.webserver.early_dispatch import EarlyDispatch

log = logs.get_logger(__name__)

UNSENT_BYTES = 16_384
"""The bytes that may wait in the kernel for one client, and as many in the process. These are not conflated."""
_NOTSENT_LOWAT: int = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux; Python 3.12 has it by name
_FIELD_SYNTAX_BYTES = len(": \r\n")
_MAX_FRAMING_RATIO = 8
"""The framing of a body, at most, in sizes of the largest body: a byte in a chunk of its own takes five more."""
_LINGER_S = 5.0
"""The time that a request may go on arriving once it is answered."""
_SEND_TIMEOUTS = 3
"""The send timeouts in which a client may read nothing of an answer that does not fit into the buffers. The subscriber
of an event stream closes it before that, with a reason."""


class HttpProtocol(EarlyDispatch):
    """One HTTP connection with its bounds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = conf()
        self._max_head_bytes, self._max_headers = self._limits.max_head_bytes, self._limits.max_headers
        self._in_head = False
        self._chunk_bytes = 0
        """The size of the data that are being parsed."""
        self._first_bytes = self._later_bytes = 0
        """The size of the data in which a head began, and of the data after that, as far as its end."""
        self._bytes_since_body = 0
        """The bytes of a body since its last content: framing, and trailers, which are dropped."""
        self._framing_bytes = 0
        """The bytes of a whole body that are no content."""
        self._is_in_body = False
        """True from the end of a head to the end of its message, answered or not."""
        self._refusal: ApiError | None = None
        self._ignores_input = False
        self._receive_timer: TimerHandle | None = None
        """Ends a request that does not arrive in time."""
        self._send_timer: TimerHandle | None = None
        """Ends an answer that is not read in time."""

    # ── incoming ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(CoalescingTransport(transport))  # type: ignore[arg-type]  # all that Uvicorn uses
        raw = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):  # not TCP, or a system without the option
            raw.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        if self._ignores_input:
            return
        was_in_head, size = self._in_head, len(data)
        self._chunk_bytes = size
        if was_in_head:
            self._later_bytes += size
        self._bytes_since_body += size
        self._framing_bytes += size
        super().data_received(data)
        if self._receive_timer is None and self._is_awaiting_head():  # a head that is complete at once needs no timer
            self._start_head_timer()
        if self._is_in_body and self._is_mostly_framing():
            self._ignores_input = True  # the parser joins it piece by piece: quadratic cost
            self.end()
        if self._in_head and was_in_head:  # all of the data was head, parsed or not
            self._check_head_size(self._later_bytes)
        if self._in_head and self._refusal is not None:
            self._reject(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.idle.stop()
        self._in_head = True
        self._first_bytes, self._later_bytes = self._chunk_bytes, 0
        self._refusal = None

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.max_address_bytes:
            self._refusal = self._refusal or AddressTooLong()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field as Uvicorn does, within bounds. This runs once for each field of every request."""
        if not self._in_head:
            return  # a trailer: what follows the head must not count as a part of it, above all no credentials
        fields, name = self.headers, name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        if len(fields) < self._max_headers:
            fields.append((name, value))
        else:
            self._set_head_too_large()

    def on_headers_complete(self) -> None:
        self._check_head_size(0)
        offers_protocol = self.parser.should_upgrade()
        if offers_protocol and self.ignores_upgrade(self._refusal):
            return
        self._in_head = False
        self._is_in_body = True
        self._bytes_since_body = self._framing_bytes = 0
        if self._receive_timer is not None:
            self._stop_receive_timer()
        if offers_protocol and self._should_upgrade():
            return
        self.start_cycle(self._refusal)
        if lifecycle.is_draining():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._bytes_since_body = 0
        self._framing_bytes -= len(body)
        super().on_body(body)

    def _is_mostly_framing(self) -> bool:
        limits = self._limits
        is_barren = self._bytes_since_body > limits.max_head_bytes
        return is_barren or self._framing_bytes > _MAX_FRAMING_RATIO * limits.max_body_bytes

    def on_message_complete(self) -> None:
        if self._is_upgrade_ignored:
            return  # the request is parsed again, without its offer
        self._is_in_body = False
        super().on_message_complete()
        if self._is_idle():  # answered early, and complete now
            self._stop_receive_timer()
            self.idle.start()

    def _check_head_size(self, least: int) -> None:
        """Refuse a head that is too large, by its parsed parts or by `least`, a size that it certainly has."""
        if self._first_bytes + self._later_bytes <= self._max_head_bytes:
            return
        sizes = [len(name) + len(value) + _FIELD_SYNTAX_BYTES for name, value in self.headers]
        if max(least, len(self.url) + sum(sizes)) > self._max_head_bytes:
            self._set_head_too_large()

    def _set_head_too_large(self) -> None:
        if not isinstance(self._refusal, AddressTooLong):
            self._refusal = HeadersTooLarge()

    def _should_upgrade(self) -> bool:
        return self._refusal is None and super()._should_upgrade()

    def _is_awaiting_head(self) -> bool:
        return not self._ignores_input and (self._in_head or self._is_idle())

    def _is_idle(self) -> bool:
        return not self._in_head and not self.pipeline and (self.cycle is None or self.cycle.response_complete)

    # ── requests refused before they are complete ─────────────────────────────────────────────────────────────────────

    def _start_head_timer(self) -> None:
        self._stop_receive_timer()
        self._receive_timer = self.loop.call_later(self._limits.head_timeout_s, self._on_head_timeout)

    def _stop_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _on_head_timeout(self) -> None:
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            self._start_head_timer()  # earlier requests are still being answered
        elif self._in_head:
            self._reject(RequestTimeout())
        else:
            self.end()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the place of Uvicorn."""
        if not self._ignores_input:
            self._reject(ValidationFailed([("request", "Malformed HTTP.")]))

    def _reject(self, error: ApiError) -> None:
        """Have the application answer with an error, and ignore further input."""
        self._ignores_input = True
        self._in_head = False
        self._stop_receive_timer()
        if self.transport.is_closing():
            return
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False  # close after this answer
            return
        if self.headers is None or self._is_answering():
            self.end()  # nothing to answer, or the request being answered is incomplete
            return
        known = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": b""} | self._request_line()
        self.cycle = cycle = Cycle(self, **known, keep_alive=True)  # the client has time to read
        cycle.on_response = self._linger
        cycle.refusal = error
        cycle.more_body = False
        self._start_asgi_task(cycle, self.app)

    def disable_keep_alive(self) -> None:
        """Close after the answer that is being made, because the process ends soon. An idle connection stays open for
        its next request, which may be under way."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close the connection at the end of the process, without an error that would keep others from closing."""
        try:
            super().shutdown()
        except Exception:
            log.exception("a connection did not end well")
            self.transport.abort()

    # ── outgoing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_response_complete(self) -> None:
        cast("CoalescingTransport", self.transport).flush()
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_send_timer()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._receive_timer = self.loop.call_later(_LINGER_S, self.end)
        elif self._in_head:  # of the next request, which has begun to arrive
            self.idle.stop()
            self._start_head_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_send_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_receive_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self.transport = cast("CoalescingTransport", self.transport).raw  # frames are not coalesced
        self._ignores_input = True
        self._stop_receive_timer()
        self._stop_send_timer()
        self.idle.close()
        super().handle_websocket_upgrade()

    def _linger(self) -> None:
        """End the writing side; a client that is still sending has a moment to read the answer."""
        self.server_state.total_requests += 1
        with suppress(OSError, NotImplementedError, RuntimeError):
            self.transport.write_eof()
        self._receive_timer = self.loop.call_later(_LINGER_S, self.end)

    def end(self) -> None:
        """Close; cut the connection when the client does not read what is left."""
        if not self.transport.is_closing():
            self.transport.close()
            self._start_send_timer()

    def _start_send_timer(self) -> None:
        self._stop_send_timer()
        self._send_timer = self.loop.call_later(_SEND_TIMEOUTS * self._limits.send_timeout_s, self.transport.abort)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
