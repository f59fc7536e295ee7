"""The shapes of ASGI, and how to read a header of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSAL_EXTENSION = "synckairos.refusal"
ARRIVED_EXTENSION = "synckairos.arrived"
"""Where a server of ours says whether the whole request is there: then nobody need look at the clock."""
"""Where a server of ours says with which error a request is to be answered, in the scope's `extensions`."""


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
