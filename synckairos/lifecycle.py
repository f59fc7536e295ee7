"""Stages of this process: serving, draining, shutting down."""

from __future__ import annotations


class _Stage:
    is_draining = False
    is_shutting_down = False


def start_draining() -> None:
    """Announce the end of the process to load balancers. Requests are still served."""
    _Stage.is_draining = True


def is_draining() -> bool:
    """Return true when load balancers should send requests elsewhere."""
    return _Stage.is_draining


def start_shutdown() -> None:
    """Refuse clients that would stay: sockets, streams and polls."""
    _Stage.is_draining = _Stage.is_shutting_down = True


def is_shutting_down() -> bool:
    """Return true when clients that would stay are refused."""
    return _Stage.is_shutting_down
