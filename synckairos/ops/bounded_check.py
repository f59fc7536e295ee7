"""A check that may hang, such as one to a server that is away: asked by one thread at a time, waited for briefly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_AFTER_FAILURE_S = 0.25
"""How long a caller waits for an answer when the last one did not come or was a failure."""


class BoundedCheck(Generic[T]):
    """Asks `check` in a thread of its own. Callers that come meanwhile share its answer.

    Once it has failed, callers wait for a moment only, until it has had an answer, however late: who asks often is not
    slow each time, and hears of the recovery.
    """

    def __init__(self, name: str, check: Callable[[], T], within_s: float) -> None:
        self.name = name
        self._check = check
        self._within_s = within_s
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None
        self._has_failed = False

    def result(self) -> T:
        """The answer. Raises what the check raises, and TimeoutError when it takes its time."""
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
                # A daemon: a process that ends does not wait for a server that hangs.
                threading.Thread(target=self._run, args=(self._pending,), name=self.name, daemon=True).start()
            return self._pending

    def _run(self, pending: Future[T]) -> None:
        try:
            answer = self._check()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            pending.set_exception(error)
        else:
            self._has_failed = False  # here, where an answer that nobody has waited for counts too
            pending.set_result(answer)
