"""Where this process stands between its start and its end."""

from __future__ import annotations

from threading import Event

_draining = Event()
_leaving = Event()


def drain() -> None:
    """The process will end soon: balancers should send nobody more. Whoever comes is served all the same."""
    _draining.set()


def is_draining() -> bool:
    """Whether balancers should send clients elsewhere."""
    return _draining.is_set()


def leave() -> None:
    """The process ends now: clients that would stay (sockets, streams, polls) are sent elsewhere."""
    _draining.set()
    _leaving.set()


def is_leaving() -> bool:
    """Whether clients that would stay are refused."""
    return _leaving.is_set()
