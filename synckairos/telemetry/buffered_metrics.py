"""How numbers are counted: noted at once, worked out soon after, all that has come meanwhile together.

The library works each number out when it is counted and, where several processes share a directory of them, writes it
into its file at once and asks the system each time which process this is: a tenth of what a switch costs. None of our
processes forks; one that is killed loses the counts of its last half second.

Nothing here is locked against those who count: each notes first and looks then whether somebody is to come for it, and
who comes says first that it has been here.
"""

from __future__ import annotations

import atexit
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Histogram, values
from prometheus_client.samples import Sample

from synckairos.telemetry import dead_processes, logs

log = logs.get_logger(__name__)

FLUSH_INTERVAL_S = 0.5

_MAX_BUFFERED = 10_000
"""Numbers that one metric notes before it works them out, wherever nobody comes for them."""

_FileValue: Any = values.MultiProcessValue(process_identifier=lambda: dead_processes.PROCESS_NAME)  # type: ignore[no-untyped-call]
_flush_lock = threading.RLock()
"""Held by who works numbers out."""
_unflushed: dict[BufferedValue | BufferedHistogram, None] = {}
"""Who has noted something."""


class _Buffer:
    """What has been noted and not worked out."""

    def __init__(self) -> None:
        self._amounts: deque[float] = deque()
        self._is_registered = False

    def add(self, amount: float, owner: BufferedValue | BufferedHistogram) -> None:
        self._amounts.append(amount)
        if not self._is_registered:
            self._is_registered = True
            _unflushed[owner] = None
        if len(self._amounts) >= _MAX_BUFFERED:
            owner.flush()

    def drain(self) -> list[float]:
        """All of it."""
        self._is_registered = False
        return [self._amounts.popleft() for _ in range(len(self._amounts))]


class BufferedValue(_FileValue):  # type: ignore[misc]  # the library has no types
    """One number in a file: a count, a sum, a bucket, a gauge."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._buffer = _Buffer()
        super().__init__(*args, **kwargs)

    def inc(self, amount: float) -> None:
        """Count."""
        self._buffer.add(amount, self)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Set, in the file too."""
        self.flush()
        super().set(value, timestamp)

    def get(self) -> float:
        """The number as it is."""
        self.flush()
        number: float = super().get()
        return number

    def flush(self) -> None:
        """Bring the file up to date."""
        with _flush_lock:
            amounts = self._buffer.drain()
            if amounts:
                super().inc(sum(amounts))


class BufferedCounter(Counter):
    """A counter that does not ask itself each time whether it is one: only those with all their labels have a value."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Count, without an exemplar."""
        del exemplar
        self._value.inc(amount)


class BufferedHistogram(Histogram):
    """A histogram that sorts a thousand numbers in hardly more time than the library's takes to count a few."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._buffer = _Buffer()

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count one, without an exemplar."""
        del exemplar
        self._buffer.add(amount, self)

    def flush(self) -> None:
        """Work out what has been noted."""
        with _flush_lock:
            amounts = sorted(self._buffer.drain())
            if not amounts:
                return
            self._sum.inc(sum(amounts))
            below = 0
            for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
                here = bisect_right(amounts, bound)
                if here > below:
                    bucket.inc(here - below)
                    below = here

    def _child_samples(self) -> Iterable[Sample]:
        self.flush()
        return super()._child_samples()


def flush() -> None:
    """Bring this process's files up to date."""
    while _unflushed:
        waiting, _ = _unflushed.popitem()
        try:
            waiting.flush()
        except Exception:  # a full disk, say: the others' counts must not wait for ever
            log.exception("a count could not be written")


def _flush_forever() -> None:
    while True:
        time.sleep(FLUSH_INTERVAL_S)
        flush()


def enable(directory: Path) -> None:
    """Let the library count like this, from now on, into files of this directory."""
    dead_processes.mark_alive(directory)
    values.ValueClass = BufferedValue
    threading.Thread(target=_flush_forever, name="metrics", daemon=True).start()
    atexit.register(flush)
