"""Buffered metrics: counts are collected in memory, and added up and written to the shared files twice a second.

The library adds up each count at once. Where processes share a directory, it also writes each count into a file and
asks the system for the process id each time, which is a tenth of the cost of a switch. None of our processes forks. A
process that is killed loses the counts of its last half second.

Counting takes no lock: it appends first and checks then whether the owner is registered for the next flush; the flush
unregisters the owner first and reads then.
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
"""Seconds between two flushes of the buffers."""

_MAX_BUFFERED = 10_000
"""Number of amounts at which a metric flushes itself, in processes without a flushing thread."""

_FileValue: Any = values.MultiProcessValue(process_identifier=lambda: dead_processes.PROCESS_NAME)  # type: ignore[no-untyped-call]
_flush_lock = threading.RLock()
"""Held while buffers are added up."""
_unflushed: dict[BufferedValue | BufferedHistogram, None] = {}
"""Metrics with amounts in their buffers."""


class _Buffer:
    """Amounts that are counted and not added up yet."""

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
        """Return all amounts, and remove them."""
        self._is_registered = False
        return [self._amounts.popleft() for _ in range(len(self._amounts))]


class BufferedValue(_FileValue):  # type: ignore[misc]  # the library has no types
    """One number in a file: a count, a sum, a bucket or a gauge."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._buffer = _Buffer()
        super().__init__(*args, **kwargs)

    def inc(self, amount: float) -> None:
        """Add an amount to the buffer."""
        self._buffer.add(amount, self)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Set the number, in the file too."""
        self.flush()
        super().set(value, timestamp)

    def get(self) -> float:
        """Return the number, with what is in the buffer."""
        self.flush()
        number: float = super().get()
        return number

    def flush(self) -> None:
        """Write the buffered amounts to the file."""
        with _flush_lock:
            amounts = self._buffer.drain()
            if amounts:
                super().inc(sum(amounts))


class BufferedCounter(Counter):
    """A counter without the library's check of its labels on each count: one without a label value has no `_value`."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Add an amount. Exemplars are not kept."""
        del exemplar
        self._value.inc(amount)


class BufferedHistogram(Histogram):
    """A histogram that sorts a thousand amounts in little more time than the library takes for a few."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._buffer = _Buffer()

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Add one amount. Exemplars are not kept."""
        del exemplar
        self._buffer.add(amount, self)

    def flush(self) -> None:
        """Add the buffered amounts to the buckets."""
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
    """Write all buffered amounts of this process to its files."""
    while _unflushed:
        waiting, _ = _unflushed.popitem()
        try:
            waiting.flush()
        except Exception:  # such as a full disk: other counts must not be lost with it
            log.exception("a count could not be written")


def _flush_forever() -> None:
    while True:
        time.sleep(FLUSH_INTERVAL_S)
        flush()


def enable(directory: Path) -> None:
    """Make the library use buffered values in files of this directory, from now on."""
    dead_processes.mark_alive(directory)
    values.ValueClass = BufferedValue
    threading.Thread(target=_flush_forever, name="metrics", daemon=True).start()
    atexit.register(flush)
