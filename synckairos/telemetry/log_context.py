"""What is known about the request or socket at hand: its ids for the logs, filled in as it passes the doors."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

_info: ContextVar[dict[str, Any] | None] = ContextVar("synckairos_request", default=None)


def start(**ids: Any) -> dict[str, Any]:
    """Open a context for the current task; the same dict is seen by every thread that works for it."""
    info = dict(ids)
    _info.set(info)
    return info


def current() -> dict[str, Any]:
    """The open context; an empty one of its own outside of any."""
    info = _info.get()
    return {} if info is None else info


def bind(**ids: Any) -> None:
    """Add to the open context."""
    current().update(ids)
