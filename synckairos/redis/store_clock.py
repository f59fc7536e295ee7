"""Estimate of the store's clock, so that the time is known without a round trip.

One probe brackets the store's `TIME` between two local readings; the true instant lies between them, so the midpoint is
wrong by at most half the round trip (F. Cristian, "Probabilistic clock synchronization", 1989), and the earlier end is
never ahead of it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from operator import attrgetter

from msgspec import Struct
from redis.exceptions import RedisError

from synckairos.engine.units import Instant
from synckairos.redis import client as redis_client

MAX_AGE_S = 5.0
"""Age in seconds at which an estimate needs the next probe."""
WINDOW_S = 15.0
"""Length in seconds of a window. The probe with the smallest error of this window and the last one counts (D. L. Mills,
RFC 5905, the clock filter)."""
MAX_DRIFT_RATE = 200e-6
"""Fastest drift between two clocks, as a share of the elapsed time; good clocks have a tenth of that."""
_MAX_DRIFT_MS = 1.0
"""Largest drift of two good clocks while probes are kept."""


class Estimate(Struct, frozen=True):
    """Offset of the store's clock from the local clock, and the largest error of the offset."""

    offset_ms: float
    error_ms: float


def estimate(sent_s: float, store_s: float, received_s: float) -> Estimate:
    """Return the estimate of one probe. Arguments are in seconds, the first and the last on the local clock."""
    return Estimate(
        offset_ms=(store_s - (sent_s + received_s) / 2) * 1000,
        error_ms=(received_s - sent_s) / 2 * 1000,
    )


def _are_consistent(one: Estimate, other: Estimate) -> bool:
    """Return false when one of the clocks must have been set between two probes."""
    return abs(one.offset_ms - other.offset_ms) <= one.error_ms + other.error_ms + _MAX_DRIFT_MS


_error_of = attrgetter("error_ms")


class StoreClock:
    """Estimate of the store's clock in this process, relative to a clock that cannot be set (`time.monotonic`).

    While the store is unavailable, the last estimate stays in use.
    """

    def __init__(self) -> None:
        self._best = Estimate((time.time() - time.monotonic()) * 1000, float("inf"))
        """Best estimate of this window and the last."""
        self._best_of_window = self._best
        """Best estimate of this window."""
        self._window_since_s = self._sampled_at_s = self._lower_bound_at_s = float("-inf")
        self._lower_bound_offset_ms = float("-inf")
        """Lower bound of the offset, at the time of its probe."""
        self._probing: asyncio.Task[None] | None = None

    def now_ms(self) -> Instant:
        """Return the estimated time of the store in milliseconds."""
        return int(time.monotonic() * 1000 + self._best.offset_ms)

    def lower_bound_ms(self) -> Instant | None:
        """Return an instant that the store's clock has surely reached, in ms; None while the estimate is stale.

        It holds while the two clocks drift apart no faster than MAX_DRIFT_RATE.
        """
        now_s = time.monotonic()
        if now_s - self._sampled_at_s >= MAX_AGE_S:
            return None
        return int(now_s * 1000 + self._current_lower_bound_ms(now_s))

    def _current_lower_bound_ms(self, now_s: float) -> float:
        return self._lower_bound_offset_ms - (now_s - self._lower_bound_at_s) * MAX_DRIFT_RATE * 1000

    @property
    def is_stale(self) -> bool:
        """True when the next probe is due."""
        return time.monotonic() - self._sampled_at_s >= MAX_AGE_S

    def probe(self) -> None:
        """Read the store's clock with the blocking client, if the estimate is stale."""
        sent_s = time.monotonic()
        if self.is_stale:
            with suppress(RedisError):
                self._add_reply(sent_s, redis_client.blocking_client().time())

    async def probe_async(self) -> None:
        """Read the store's clock with the client of the running loop, if the estimate is stale."""
        sent_s = time.monotonic()
        if self.is_stale:
            with suppress(RedisError):
                self._add_reply(sent_s, await redis_client.async_client().time())

    def _add_reply(self, sent_s: float, reply: tuple[int, int]) -> None:
        self.add_sample(sent_s, reply[0] + reply[1] / 1_000_000, time.monotonic())

    def refresh_in_background(self) -> None:
        """Start a probe on the running loop, if the estimate is stale, without waiting for it."""
        if self.is_stale and (self._probing is None or self._probing.done()):
            self._probing = asyncio.get_running_loop().create_task(self.probe_async())

    def add_sample(self, sent_s: float, store_s: float, received_s: float) -> None:
        """Update the estimate from a reply with the store's time. Arguments are in seconds: sending on the local clock
        (`time.monotonic`), the store's time, and receipt on the local clock."""
        self._sampled_at_s = received_s
        is_next_window = received_s - self._window_since_s >= WINDOW_S
        newest = estimate(sent_s, store_s, received_s)
        lower_bound_offset_ms, was_set = newest.offset_ms - newest.error_ms, not _are_consistent(newest, self._best)
        if was_set or lower_bound_offset_ms >= self._current_lower_bound_ms(received_s):
            self._lower_bound_offset_ms, self._lower_bound_at_s = lower_bound_offset_ms, received_s
        if was_set:
            self._best_of_window = self._best = newest
            self._window_since_s = received_s
        elif is_next_window:
            self._best = min(self._best_of_window, newest, key=_error_of)
            self._best_of_window = newest
            self._window_since_s = received_s
        elif newest.error_ms < self._best_of_window.error_ms:
            self._best_of_window = newest
            self._best = min(self._best, newest, key=_error_of)


store_clock = StoreClock()
