"""The shapes of ASGI, and how to read a header of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from synckairos.errors import ApiError

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields, with names in lower case."""

REQUEST_EXTENSION = "synckairos.request"
"""The key of our own server's `ServerRequest`, as a weak reference, in the scope's `extensions`."""


class ServerRequest(Protocol):
    """One request as our own server has it, beyond ASGI."""

    started_s: float
    """The instant when its head was complete, on `time.perf_counter`."""
    refusal: ApiError | None
    """The error to answer with, whatever the request is."""

    def has_arrived(self) -> bool:
        """Return whether the whole request is there: then reading it needs no timeout."""

    def abort(self) -> None:
        """Close the connection at once."""


class EarlyRequest(Protocol):
    """One whole request as an early handler sees it."""

    method: str
    path: str
    query_string: bytes
    headers: Fields
    started_s: float

    @property
    def body(self) -> bytes | bytearray: ...

    @property
    def scheme(self) -> str: ...

    @property
    def peer(self) -> str | None: ...

    @property
    def scope(self) -> Scope:
        """The ASGI scope, which is made when it is first asked for."""

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Answer with a status, header lines as they go over the wire (without a Content-Length), and a body."""

    def forward(self) -> None:
        """Have the application answer."""

    def abort(self) -> None:
        """Close the connection at once."""


class EarlyHandler(Protocol):
    """A handler that sees whole requests before the application does, and may answer them."""

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request may be for this handler, as far as its head tells."""

    def try_handle(self, request: EarlyRequest) -> bool:
        """Return True to answer the request, or to forward it, now or later; False to have it forwarded at once."""


def server_request_of(scope: Scope) -> ServerRequest | None:
    """Return the request of a scope as our own server has it; None under another server."""
    reference = (scope.get("extensions") or {}).get(REQUEST_EXTENSION)
    request: ServerRequest | None = None if reference is None else reference()
    return request


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header, by its lower-case name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), None)


def headers(scope: Scope, name: bytes) -> list[str]:
    """All values of a header, by its lower-case name."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
