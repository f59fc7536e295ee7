"""One HTTP connection: Uvicorn's, with bounds. A head has a size and a time to arrive in, a request that is answered
early a time to end, an answer a time to be taken. The application answers what is too large or too slow, like any other
error (synckairos/http/body_limits.py). It uses names of Uvicorn that are not public; tests/synckairos/webserver/ fails
when these change.
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
"""How much may wait in the kernel, and again here. What waits there is beyond conflation: it will be shown late."""
_NOTSENT_LOWAT: int = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux; Python 3.12 has it by name
_PUNCTUATION = len(": \r\n")
_FRAMING_PER_BODY = 8
"""How many times the largest body its framing may weigh: a byte in a chunk of its own takes five more."""
_LINGER_S = 5.0
"""How long a request may go on arriving once it is answered."""
_PATIENCE = 3
"""How many send timeouts a client may take nothing of an answer that does not fit into the buffers. An event stream is
ended by its outlet before that, with a last word."""


class HttpProtocol(EarlyDispatch):
    """One HTTP connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = conf()
        self._max_head_bytes, self._max_headers = self._limits.max_head_bytes, self._limits.max_headers
        self._in_head = False
        self._piece_bytes = 0
        """Size of the piece of data that is being parsed."""
        self._first_bytes = self._later_bytes = 0
        """Size of the piece of data in which a head began, and of the pieces after it, as far as its end."""
        self._fruitless_bytes = 0
        """Of the body since it last brought something: framing, and trailers, which nobody reads."""
        self._framing_bytes = 0
        """The same, of the whole body."""
        self._is_in_body = False
        """From the end of a head to the end of its message, answered or not."""
        self._refusal: ApiError | None = None
        self._is_deaf = False
        self._coming: TimerHandle | None = None
        """Ends a request that does not come."""
        self._going: TimerHandle | None = None
        """Ends an answer that is not taken."""

    # ── what comes ────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(CoalescingTransport(transport))  # type: ignore[arg-type]  # all of one that Uvicorn uses
        raw = transport.get_extra_info("socket")
        with suppress(OSError, AttributeError):  # not TCP, or a system that does not know it
            raw.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        was_in_head, size = self._in_head, len(data)
        self._piece_bytes = size
        if was_in_head:
            self._later_bytes += size
        self._fruitless_bytes += size
        self._framing_bytes += size
        super().data_received(data)
        if self._coming is None and self._is_waiting_for_a_head():  # one that is whole at once needs no clock
            self._await_head()
        if self._is_in_body and self._is_mostly_framing():
            self._is_deaf = True  # the parser puts it together piece by piece, at a cost that grows with the square
            self.end()
        if self._in_head and was_in_head:  # all of it was head, told of or not
            self._judge_head(self._later_bytes)
        if self._in_head and self._refusal is not None:
            self._refuse_now(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.idle.stop()
        self._in_head = True
        self._first_bytes, self._later_bytes = self._piece_bytes, 0
        self._refusal = None

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.max_address_bytes:
            self._refusal = self._refusal or AddressTooLong()

    def on_header(self, name: bytes, value: bytes) -> None:
        """As Uvicorn does, which is asked once for each field of every request; within bounds."""
        if not self._in_head:
            return  # a trailer: what comes after the head is none of it, above all no credentials
        fields, name = self.headers, name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        if len(fields) < self._max_headers:
            fields.append((name, value))
        else:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._judge_head(0)
        offers_protocol = self.parser.should_upgrade()
        if offers_protocol and self.ignores_offer(self._refusal):
            return
        self._in_head = False
        self._is_in_body = True
        self._fruitless_bytes = self._framing_bytes = 0
        if self._coming is not None:
            self._stop_waiting()
        if offers_protocol and self._should_upgrade():
            return
        self.start_cycle(self._refusal)
        if lifecycle.is_draining():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._fruitless_bytes = 0
        self._framing_bytes -= len(body)
        super().on_body(body)

    def _is_mostly_framing(self) -> bool:
        limits = self._limits
        is_barren = self._fruitless_bytes > limits.max_head_bytes
        return is_barren or self._framing_bytes > _FRAMING_PER_BODY * limits.max_body_bytes

    def on_message_complete(self) -> None:
        if self._is_ignored:
            return  # it comes again, without its offer
        self._is_in_body = False
        super().on_message_complete()
        if self._is_idle():  # answered early, and whole now
            self._stop_waiting()
            self.idle.start()

    def _judge_head(self, least: int) -> None:
        """Refuse a head that is too large: the parser has told of its parts, or it has `least` bytes anyhow."""
        if self._first_bytes + self._later_bytes <= self._max_head_bytes:
            return
        sizes = [len(name) + len(value) + _PUNCTUATION for name, value in self.headers]
        if max(least, len(self.url) + sum(sizes)) > self._max_head_bytes:
            self._refuse_head()

    def _refuse_head(self) -> None:
        if not isinstance(self._refusal, AddressTooLong):
            self._refusal = HeadersTooLarge()

    def _should_upgrade(self) -> bool:
        return self._refusal is None and super()._should_upgrade()

    def _is_waiting_for_a_head(self) -> bool:
        return not self._is_deaf and (self._in_head or self._is_idle())

    def _is_idle(self) -> bool:
        return not self._in_head and not self.pipeline and (self.cycle is None or self.cycle.response_complete)

    # ── what is refused before it is whole ────────────────────────────────────────────────────────────────────────

    def _await_head(self) -> None:
        self._stop_waiting()
        self._coming = self.loop.call_later(self._limits.head_timeout_s, self._head_is_late)

    def _stop_waiting(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None

    def _head_is_late(self) -> None:
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            self._await_head()  # those before it are still being answered
        elif self._in_head:
            self._refuse_now(RequestTimeout())
        else:
            self.end()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what is no HTTP."""
        if not self._is_deaf:
            self._refuse_now(ValidationFailed([("request", "Malformed HTTP.")]))

    def _refuse_now(self, error: ApiError) -> None:
        """Let the application answer with an error, and hear no more."""
        self._is_deaf = True
        self._in_head = False
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False  # it is the last one
            return
        if self.headers is None or self._is_answering():
            self.end()  # nothing to answer, or the rest of what is being answered will not be heard
            return
        known = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": b""} | self._asked()
        self.cycle = cycle = Cycle(self, **known, keep_alive=True)  # until the client has had time to read
        cycle.on_response = self._end_soon
        cycle.refusal = error
        cycle.more_body = False
        self._start_asgi_task(cycle, self.app)

    def be_the_last_answer(self) -> None:
        """The process ends soon: whoever is being answered should come back on another connection. One that is idle
        stays for its next request, which may be under way."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The process ends. Whatever state this connection is in, it keeps none of the others from ending well."""
        try:
            super().shutdown()
        except Exception:
            log.exception("a connection did not end well")
            self.transport.abort()

    # ── what goes ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_response_complete(self) -> None:
        cast("CoalescingTransport", self.transport).flush()
        super().on_response_complete()
        if self.transport.is_closing():
            self._cut_off_later()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._coming = self.loop.call_later(_LINGER_S, self.end)
        elif self._in_head:  # of the next one, which began to come meanwhile
            self.idle.stop()
            self._await_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut_off_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._keep()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._keep()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self.transport = cast("CoalescingTransport", self.transport).raw  # frames have ways of their own
        self._is_deaf = True
        self._stop_waiting()
        self._keep()
        self.idle.close()
        super().handle_websocket_upgrade()

    def _end_soon(self) -> None:
        """Say that this was all; a client that is still sending has a moment to read it."""
        self.server_state.total_requests += 1
        with suppress(OSError, NotImplementedError, RuntimeError):
            self.transport.write_eof()
        self._coming = self.loop.call_later(_LINGER_S, self.end)

    def end(self) -> None:
        """Close; who does not take what is left is cut off."""
        if not self.transport.is_closing():
            self.transport.close()
            self._cut_off_later()

    def _cut_off_later(self) -> None:
        self._keep()
        self._going = self.loop.call_later(_PATIENCE * self._limits.send_timeout_s, self.transport.abort)

    def _keep(self) -> None:
        if self._going is not None:
            self._going.cancel()
            self._going = None
