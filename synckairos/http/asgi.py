"""The shapes of ASGI, and how to read a header of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from synckairos.errors import ApiError

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

EXCHANGE_EXTENSION = "synckairos.exchange"
"""Where a server of ours has its `Exchange`, in the scope's `extensions`."""


class Exchange(Protocol):
    """What a server of ours offers for one request, beyond ASGI."""

    began_s: float
    """When its head was there, on `time.perf_counter`."""
    refusal: ApiError | None
    """The error to answer with, whatever was asked for."""
    known: Mapping[str, str]
    """The ids of the request for the logs (synckairos/telemetry/log_context.py), its `request_id` first."""
    told: Sequence[tuple[bytes, bytes]]
    """Header fields that the answer is to have besides."""

    def has_arrived(self) -> bool:
        """Whether the whole request is there: then nobody need look at the clock."""

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Answer with a status, by header lines as they go over the wire, without a Content-Length, and a body."""

    def pass_on(self) -> None:
        """Let the application answer."""

    def abort(self) -> None:
        """Cut the connection."""


class Door(Protocol):
    """What is shown whole requests before the application is, and may answer them."""

    def knows(self, scope: Scope) -> bool:
        """Whether a request may be for it, as far as its head tells."""

    def serves(self, scope: Scope, body: bytes, exchange: Exchange) -> bool:
        """Whether it has taken a request: then it answers, or passes it on, now or later."""


def exchange_of(scope: Scope) -> Exchange | None:
    """The server's, when it offers one."""
    found: Exchange | None = (scope.get("extensions") or {}).get(EXCHANGE_EXTENSION)
    return found


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header, by its lower-case name."""
    for key, value in scope["headers"]:
        if key.lower() == name:
            text: str = value.decode("latin-1")
            return text
    return None


def headers(scope: Scope, name: bytes) -> list[str]:
    """All values of a header, by its lower-case name."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
