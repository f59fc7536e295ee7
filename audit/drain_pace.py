"""The pace of drains in a process: one at a time, and less and less often while a store cannot serve."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

from audit.stop_request import StopRequest
from audit.waiting_drain import WaitingDrain

TASK_S = 15.0
"""Duration of the drain of one task."""
UNASKED_S = 1.0
"""Duration of a drain that no task has asked for; a task that comes meanwhile waits for its end."""
IDLE_S = 1.0
"""Time without a task after which drains start unasked."""
MAX_PAUSE_S = 30.0
"""Longest pause between two attempts after failures."""


class DrainPace:
    """Runs one drain at a time in this process, with growing pauses after failures.

    `drain` takes a duration in seconds, and returns false when a store could not serve. `clock` returns monotonic
    seconds.
    """

    def __init__(self, drain: Callable[[float], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._drain = drain
        self._clock = clock
        self._working = threading.Lock()
        self._failures = 0
        self._not_before_s = self._asked_s = float("-inf")

    def attempt(self) -> bool:
        """Drain for a task, and return true; return false if the last drain failed too recently, or another one runs
        on.

        An exception of the drain counts as a failure, and is raised.
        """
        self._asked_s = self._clock()
        return self._attempt(TASK_S, wait_s=3 * UNASKED_S)

    def attempt_unasked(self) -> bool:
        """Drain for a short time, and return true; return false also if a task came within `IDLE_S`."""
        if self._clock() < self._asked_s + IDLE_S:
            return False
        return self._attempt(UNASKED_S, wait_s=0)

    def _attempt(self, duration_s: float, wait_s: float) -> bool:
        if not self._working.acquire(timeout=wait_s):
            return False
        try:
            if self._clock() < self._not_before_s:
                return False
            self._run(duration_s)
            return True
        finally:
            if duration_s == TASK_S:
                self._asked_s = self._clock()
            self._working.release()

    def _run(self, duration_s: float) -> None:
        self._failures += 1  # reset after a success
        try:
            if self._drain(duration_s):
                self._failures = 0
        finally:
            self._not_before_s = self._clock() + self._pause_s() if self._failures else float("-inf")

    def _pause_s(self) -> float:
        longest_s = min(MAX_PAUSE_S, 2.0 ** min(self._failures, 10))
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - so that several workers do not drain at one instant


stop = StopRequest()
"""The stop of the drains of this process, and of those that it forks."""
_paces: dict[int, DrainPace] = {}
"""The pace of each process by its id: one that was forked inherits connections and leases that are not its own."""


def pace() -> DrainPace:
    """Return the one pace of this process."""
    process = os.getpid()
    found = _paces.get(process)
    return found or _paces.setdefault(process, DrainPace(WaitingDrain(stop).run))
