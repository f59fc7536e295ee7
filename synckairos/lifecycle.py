"""Where this process stands between its start and its end."""

from __future__ import annotations


class _Stage:
    is_draining = False
    is_shutting_down = False


def start_draining() -> None:
    """The process will end soon: balancers should send nobody more. Whoever comes is served all the same."""
    _Stage.is_draining = True


def is_draining() -> bool:
    """Whether balancers should send clients elsewhere."""
    return _Stage.is_draining


def start_shutdown() -> None:
    """The process ends now: clients that would stay (sockets, streams, polls) are sent elsewhere."""
    _Stage.is_draining = _Stage.is_shutting_down = True


def is_shutting_down() -> bool:
    """Whether clients that would stay are refused."""
    return _Stage.is_shutting_down
