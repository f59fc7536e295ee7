"""What our server offers for one HTTP request, beyond ASGI (synckairos/http/asgi.py)."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from synckairos.conf import conf
from synckairos.errors import ApiError
from synckairos.http.asgi import header
from synckairos.webserver.coalescing_transport import Corked

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_STATUS_LINES = {int(status): b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class Connection(Protocol):
    """Whose requests they are."""

    def pass_on(self, cycle: RequestResponseCycle) -> None:
        """Let the application answer one."""


class Exchange:
    """One request and its answer."""

    __slots__ = ("_connection", "_kept", "_reference", "_transport", "began_s", "known", "refusal", "told")

    def __init__(
        self, transport: Corked, refusal: ApiError | None, connection: Callable[[], Connection | None]
    ) -> None:
        self._transport = transport
        self._connection = connection
        self.began_s = time.perf_counter()
        self._reference: weakref.ref[RequestResponseCycle] | None = None
        self._kept: RequestResponseCycle | None = None
        self.refusal = refusal
        self.known: Mapping[str, str] = {}
        self.told: Sequence[tuple[bytes, bytes]] = ()

    def belongs_to(self, cycle: RequestResponseCycle) -> None:
        """The head is there. The cycle has us in its scope: a ring of the two would wait for the garbage collector."""
        self._reference = weakref.ref(cycle)

    def keep(self, cycle: RequestResponseCycle) -> None:
        """Nobody else may have it any more: Uvicorn has a task keep it, and looks at the next one when that has come.
        Until it is answered or passed on."""
        self._kept = cycle

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return None if self._reference is None else self._reference()

    def has_arrived(self) -> bool:
        """Whether the whole request is there."""
        cycle = self._cycle
        return cycle is not None and not cycle.more_body

    def pass_on(self) -> None:
        """Let the application answer."""
        cycle, self._kept = self._cycle, None
        connection = self._connection()
        if cycle is not None and connection is not None:
            connection.pass_on(cycle)

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """What `cycle.send` does with an answer's start and body, for one that is whole and known to be well-formed."""
        cycle, self._kept = self._cycle, None
        if cycle is None or cycle.disconnected:
            return
        lines = [_STATUS_LINES[status], _lines_of(cycle.default_headers), head]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        lines.append(body)
        cycle.response_started = True
        self._transport.write_soon(b"".join(lines))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        on_response, cycle.on_response = cycle.on_response, _nothing  # or it would keep the connection, which keeps it
        on_response()

    def abort(self) -> None:
        """Cut the connection."""
        self._kept = None
        self._transport.abort()


def _nothing() -> None:
    """Is to be done."""


_latest: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")
"""The server's own fields, which are others each second (the date is one of them), and their lines."""


def _lines_of(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    global _latest  # noqa: PLW0603 - it is the same for all requests of a second
    if fields is not _latest[0]:
        _latest = (fields, b"".join([b"%s: %s\r\n" % field for field in fields]))
    return _latest[1]


def will_be_small(cycle: RequestResponseCycle) -> bool:
    """Whether it says how long its body is, and Uvicorn keeps that much before anybody asks for it."""
    declared = header(dict(cycle.scope), b"content-length") or ""
    return declared.isdecimal() and int(declared) <= min(HIGH_WATER_LIMIT, conf().max_body_bytes)
