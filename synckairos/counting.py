"""How numbers are counted when several processes share a directory of them: in memory at once, in the file soon after.

The library writes every count into its file at once, and asks the system each time which process this is: a twentieth
of what a switch costs. None of our processes forks; one that is killed loses the counts of its last half second.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import Any

from prometheus_client import values

from synckairos import logs

log = logs.get(__name__)

WRITTEN_EVERY_S = 0.5

_PROCESS = os.getpid()
_Written: Any = values.MultiProcessValue(process_identifier=lambda: _PROCESS)  # type: ignore[no-untyped-call]
_lock = threading.Lock()
_waiting: list[Counted] = []


class Counted(_Written):  # type: ignore[misc]  # the library has no types
    """One number: a count, a sum, a bucket, a gauge."""

    _more = 0.0
    """What is not in the file yet."""

    def inc(self, amount: float) -> None:
        """Count."""
        with _lock:
            if not self._more:
                _waiting.append(self)
            self._more += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Set, in the file too."""
        self.write()
        super().set(value, timestamp)

    def get(self) -> float:
        """The number as it is."""
        self.write()
        number: float = super().get()
        return number

    def write(self) -> None:
        """Bring the file up to date."""
        with _lock:
            more, self._more = self._more, 0.0
        if more:
            super().inc(more)


def write() -> None:
    """Bring this process's files up to date."""
    with _lock:
        waiting = _waiting.copy()
        _waiting.clear()
    for number in waiting:
        try:
            number.write()
        except Exception:  # a full disk, say: the others' counts must not wait for ever
            log.exception("a count could not be written")


def _write_for_ever() -> None:
    while True:
        time.sleep(WRITTEN_EVERY_S)
        write()


def begin() -> None:
    """Let the library count like this, from now on."""
    values.ValueClass = Counted
    threading.Thread(target=_write_for_ever, name="metrics", daemon=True).start()
    atexit.register(write)
