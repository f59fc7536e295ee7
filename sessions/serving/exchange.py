"""What our server offers for one HTTP request, beyond ASGI (synckairos/http/asgi.py)."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from sessions.serving.corked import Corked
from synckairos.errors import ApiError

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_OK = b"HTTP/1.1 200 OK\r\n"


class Exchange:
    """One request and its answer."""

    __slots__ = ("_reference", "_transport", "refusal")

    def __init__(self, transport: Corked, refusal: ApiError | None) -> None:
        self._transport = transport
        self.refusal = refusal
        self._reference: weakref.ref[RequestResponseCycle] | None = None

    def belongs_to(self, cycle: RequestResponseCycle) -> None:
        """The head is there. The cycle has us in its scope: a ring of the two would wait for the garbage collector."""
        self._reference = weakref.ref(cycle)

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return None if self._reference is None else self._reference()

    def has_arrived(self) -> bool:
        """Whether the whole request is there."""
        cycle = self._cycle
        return cycle is not None and not cycle.more_body

    def whole_body(self) -> bytes | None:
        """Its body, when nothing stands between the request and its answer."""
        cycle = self._cycle
        if cycle is None or cycle.more_body or self.refusal is not None:
            return None
        if cycle.waiting_for_100_continue or cycle.flow.write_paused or cycle.disconnected:
            return None
        return bytes(cycle.body)

    def answer(self, head: bytes, body: bytes) -> None:
        """What `cycle.send` does with an answer's start and body, for one that is whole and known to be well-formed."""
        cycle = self._cycle
        if cycle is None or cycle.disconnected:
            return
        lines = [_OK, *[b"%s: %s\r\n" % field for field in cycle.default_headers], head]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        lines.append(body)
        cycle.response_started = True
        self._transport.raw.write(b"".join(lines))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()
