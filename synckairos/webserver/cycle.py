"""One HTTP request and its answer, as Uvicorn, the early handler and the application see it (docs/webserver.md).

Uvicorn makes a `RequestResponseCycle` with an ASGI scope and an event for each request. A request that the early
handler answers needs neither, so they are made when a request is forwarded to the application. This module uses names
of Uvicorn that are not public; tests/synckairos/webserver/ fails when these change.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from synckairos.conf import conf
from synckairos.errors import ApiError
from synckairos.http.asgi import REQUEST_EXTENSION, Fields, Scope

if TYPE_CHECKING:
    from synckairos.webserver.coalescing_transport import CoalescingTransport


class Connection(Protocol):
    """The HTTP connection of a request, as far as its cycle uses it."""

    access_logger: Any
    common_scope: Scope
    flow: Any
    headers: list[tuple[bytes, bytes]]
    logger: Any
    server_state: Any
    transport: Any

    def forward(self, cycle: Cycle) -> None:
        """Give a request to the application."""

    def on_response_complete(self) -> None:
        """Begin with the next request."""


class _NoEvent:
    """The event of a request for which no application waits."""

    def set(self) -> None:
        """Do nothing, since nobody waits."""


_NO_EVENT = _NoEvent()


class Cycle(RequestResponseCycle):
    """One request and its answer. The attributes that are not annotated are Uvicorn's, with their first values."""

    access_log = False
    body: Any = b""
    chunked_encoding = None
    disconnected = False
    expected_content_length = 0
    message_event: Any = _NO_EVENT
    more_body = True
    response_complete = False
    response_started = False
    refusal: ApiError | None = None
    """The error to answer with, whatever the request is."""
    _scope: Scope | None = None

    def __init__(  # not Uvicorn's: it would set all of the above for each request
        self,
        connection: Connection,
        *,
        method: str,
        path: str,
        raw_path: bytes,
        query_string: bytes,
        keep_alive: bool,
        expect_100_continue: bool = False,
    ) -> None:
        self._connection = weakref.ref(connection)
        self.transport = connection.transport
        self.on_response = connection.on_response_complete
        self.headers: Fields = connection.headers
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query_string = query_string
        self.common_scope = connection.common_scope
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expect_100_continue
        self.started_s = time.perf_counter()

    @property
    def scheme(self) -> str:
        """`http` or `https`, as the connection says it."""
        scheme: str = self.common_scope["scheme"]
        return scheme

    @property
    def peer(self) -> str | None:
        """The address of the peer; None on a Unix socket."""
        client = self.common_scope["client"]
        return client[0] if client else None

    @property
    def scope(self) -> Scope:  # type: ignore[override]
        """The ASGI scope, which is made when it is first asked for."""
        if self._scope is None:
            common = self.common_scope
            # By a weak reference: a cycle of references would wait for the garbage collector.
            extensions = {REQUEST_EXTENSION: weakref.ref(self)}
            self._scope = {
                **common,
                "state": common["state"].copy(),
                "method": self.method,
                "path": self.path,
                "raw_path": self.raw_path,
                "query_string": self.query_string,
                "headers": self.headers,
                "extensions": extensions,
            }
        return self._scope

    def has_arrived(self) -> bool:
        """Return whether the whole request is there."""
        return not self.more_body

    def will_be_small(self) -> bool:
        """Return whether the request says how long its body is, and Uvicorn keeps that much before it is read."""
        declared = b"".join([value for name, value in self.headers if name == b"content-length"])
        return declared.isdigit() and int(declared) <= min(HIGH_WATER_LIMIT, conf().max_body_bytes)

    def forward(self) -> None:
        """Have the application answer; nothing happens when the connection is gone."""
        connection = self._connection()
        if connection is not None and not self.disconnected:
            connection.forward(self)

    def prepare(self, connection: Connection) -> None:
        """Make what the application's side of Uvicorn needs besides."""
        self.flow = connection.flow
        self.logger = connection.logger
        self.access_logger = connection.access_logger
        self.default_headers = connection.server_state.default_headers
        self.message_event = asyncio.Event()
        if self.body or not self.more_body:
            self.message_event.set()

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Answer a request that is whole: with a status, header lines as they go over the wire (without a
        Content-Length), and a body. Nothing happens when the client has left."""
        connection = self._connection()
        if connection is None or self.disconnected:
            return
        lines = [STATUS_LINE[status], _lines_of(connection.server_state.default_headers), head]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        lines.append(body)
        self.response_started = self.response_complete = True
        transport = cast("CoalescingTransport", self.transport)
        transport.write_soon(b"".join(lines))
        if not self.keep_alive:
            transport.close()
        on_response, self.on_response = self.on_response, _ignore  # or it would keep the connection, which keeps it
        on_response()

    def abort(self) -> None:
        """Cut the connection at once."""
        self.transport.abort()


def _ignore() -> None:
    """Do nothing when an answered request ends."""


_latest: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")
"""The header fields of the server (the date is one of them), which are other ones each second, and their lines."""


def _lines_of(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    global _latest  # noqa: PLW0603 - the same for all requests of a second
    if fields is not _latest[0]:
        _latest = (fields, b"".join([b"%s: %s\r\n" % field for field in fields]))
    return _latest[1]
