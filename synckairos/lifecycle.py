"""Where this process stands between its start and its end."""

from __future__ import annotations


class _Stage:
    is_draining = False
    is_leaving = False


def drain() -> None:
    """The process will end soon: balancers should send nobody more. Whoever comes is served all the same."""
    _Stage.is_draining = True


def is_draining() -> bool:
    """Whether balancers should send clients elsewhere."""
    return _Stage.is_draining


def leave() -> None:
    """The process ends now: clients that would stay (sockets, streams, polls) are sent elsewhere."""
    _Stage.is_draining = _Stage.is_leaving = True


def is_leaving() -> bool:
    """Whether clients that would stay are refused."""
    return _Stage.is_leaving
