"""The pace of drains in a process: each request starts one, but less and less often while a store cannot serve."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from audit.drain import drain_all

MAX_PAUSE_S = 30.0
"""Longest pause between two attempts after failures."""


class DrainPace:
    """Runs one drain at a time in this process, with growing pauses after failures. `clock` returns monotonic
    seconds."""

    def __init__(self, drain: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._drain = drain
        self._clock = clock
        self._working = threading.Lock()
        self._failures = 0
        self._not_before_s = self._ended_s = float("-inf")

    def attempt(self, *, if_idle_s: float = 0.0) -> bool:
        """Drain now, and return true; return false if a drain is running, ended within `if_idle_s`, or failed too
        recently.

        An exception of the drain counts as a failure, and is raised.
        """
        if not self._working.acquire(blocking=False):
            return False
        try:
            if self._clock() < max(self._not_before_s, self._ended_s + if_idle_s):
                return False
            self._attempt()
            return True
        finally:
            self._working.release()

    def _attempt(self) -> None:
        self._failures += 1  # reset after a success
        try:
            if self._drain():
                self._failures = 0
        finally:
            self._ended_s = self._clock()
            self._not_before_s = self._ended_s + self._pause_s() if self._failures else float("-inf")

    def _pause_s(self) -> float:
        longest_s = min(MAX_PAUSE_S, 2.0 ** min(self._failures, 10))
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - so that several workers do not drain at one instant


pace = DrainPace(drain_all)
"""The one pace of this process."""
