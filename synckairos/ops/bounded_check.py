"""A check with a timeout, such as one of a server that may be away: one thread at a time runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_AFTER_FAILURE_S = 0.25
"""Seconds that a caller waits after a check that failed or timed out."""


class BoundedCheck(Generic[T]):
    """Runs `check` in a thread of its own. Callers during that time share its result.

    After a failure callers wait for a moment only, until a check has succeeded, however late. So frequent callers are
    not slow each time, and notice the recovery.
    """

    def __init__(self, name: str, check: Callable[[], T], within_s: float) -> None:
        self.name = name
        self._check = check
        self._within_s = within_s
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None
        self._has_failed = False

    def result(self) -> T:
        """Return the result. Raises the error of the check, and TimeoutError after the timeout."""
        pending = self._start_or_join()
        within_s = WAIT_AFTER_FAILURE_S if self._has_failed else self._within_s
        try:
            return pending.result(within_s)
        except Exception:
            self._has_failed = True
            raise

    def _start_or_join(self) -> Future[T]:
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = Future()
                # A daemon thread, so that the end of the process does not wait for a server that hangs.
                threading.Thread(target=self._run, args=(self._pending,), name=self.name, daemon=True).start()
            return self._pending

    def _run(self, pending: Future[T]) -> None:
        try:
            answer = self._check()
        except BaseException as error:  # noqa: BLE001 - callers get every error
            pending.set_exception(error)
        else:
            self._has_failed = False  # set here, so that a late result counts too
            pending.set_result(answer)
