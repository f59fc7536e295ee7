"""Log context: fields of the current request or socket that every log line of it contains."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

_info: ContextVar[dict[str, Any] | None] = ContextVar("synckairos_request", default=None)


def start(**ids: Any) -> dict[str, Any]:
    """Start an empty context with these fields for the current task. Threads that work for it share the returned
    dict."""
    info = dict(ids)
    _info.set(info)
    return info


def current() -> dict[str, Any]:
    """Return the fields of the current context, or an empty dict without a context."""
    info = _info.get()
    return {} if info is None else info


def bind(**ids: Any) -> None:
    """Add fields to the current context."""
    current().update(ids)
