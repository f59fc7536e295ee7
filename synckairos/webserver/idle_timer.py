"""The timer of an idle connection.

Each answer begins the time in which the next request has to begin. A timer for each answer would be set and cancelled
with every request; one timer looks, when it is due, how long the connection has been idle, and waits for the rest.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable


class IdleTimer:
    """Calls `on_idle` when a connection has been idle for this many seconds."""

    __slots__ = ("_idle_since_s", "_loop", "_on_idle", "_seconds", "_timer")

    def __init__(self, loop: AbstractEventLoop, seconds: float, on_idle: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._on_idle: Callable[[], None] | None = on_idle
        self._idle_since_s: float | None = None
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Note that the connection is idle from now on."""
        self._idle_since_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def stop(self) -> None:
        """Note that the connection is not idle."""
        self._idle_since_s = None

    def close(self) -> None:
        """End the timer, and let go of the connection."""
        self._idle_since_s = self._on_idle = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._idle_since_s is None or self._on_idle is None:
            return
        left_s = self._idle_since_s + self._seconds - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._on_idle()
