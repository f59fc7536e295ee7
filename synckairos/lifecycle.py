"""Where this process stands between its start and its end."""

from __future__ import annotations

from threading import Event

_draining = Event()


def drain() -> None:
    """The process is about to end: clients should go elsewhere."""
    _draining.set()


def is_draining() -> bool:
    """Whether new clients should go elsewhere."""
    return _draining.is_set()
