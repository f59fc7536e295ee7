"""An estimate of the store's clock, so that a time can be told without asking the store each time.

One probe brackets the store's `TIME` between two local readings; the true instant lies between them, so the midpoint is
wrong by at most half the round trip (F. Cristian, "Probabilistic clock synchronization", 1989).
"""

from __future__ import annotations

import time
from collections import deque

from msgspec import Struct
from redis.exceptions import RedisError

from synckairos import redis as stores
from synckairos.engine.units import Instant

FRESH_S = 5.0
"""How long an estimate is trusted before the next probe."""
REMEMBERED = 6
"""Of so many probes the quickest is believed: a slow one says little (D. L. Mills, RFC 5905, the clock filter)."""
_DRIFT_MS = 1.0
"""How far two good clocks may part while probes are remembered."""


class Estimate(Struct, frozen=True):
    """Store clock minus local clock, and how far off that may be."""

    offset_ms: float
    error_ms: float


def estimate(sent_s: float, store_s: float, received_s: float) -> Estimate:
    """The offset from one probe; all three in seconds since the epoch, the first and last on the local clock."""
    return Estimate(
        offset_ms=(store_s - (sent_s + received_s) / 2) * 1000,
        error_ms=(received_s - sent_s) / 2 * 1000,
    )


def _may_both_hold(one: Estimate, other: Estimate) -> bool:
    """Whether two probes can be of the same pair of clocks; otherwise one of these was set in between."""
    return abs(one.offset_ms - other.offset_ms) <= one.error_ms + other.error_ms + _DRIFT_MS


class StoreClock:
    """This process's idea of the store's clock. With the store away it goes on with what it knew last."""

    def __init__(self) -> None:
        self._probes: deque[Estimate] = deque(maxlen=REMEMBERED)
        self._best = Estimate(0.0, 0.0)
        self._probed_at = -FRESH_S

    def now_ms(self) -> Instant:
        """The store's clock, as well as it is known."""
        return int(time.time() * 1000 + self._best.offset_ms)

    @property
    def is_stale(self) -> bool:
        """Whether the next probe is due."""
        return time.monotonic() - self._probed_at >= FRESH_S

    def probe(self) -> None:
        """Ask the store, when the last answer is old."""
        if self.is_stale:
            sent_s = time.time()
            try:
                reply = stores.client().time()
            except RedisError:
                return
            self._take(sent_s, reply)

    async def aprobe(self) -> None:
        """The same on the running loop."""
        if self.is_stale:
            sent_s = time.time()
            try:
                reply = await stores.async_client().time()
            except RedisError:
                return
            self._take(sent_s, reply)

    def _take(self, sent_s: float, reply: tuple[int, int]) -> None:
        newest = estimate(sent_s, reply[0] + reply[1] / 1_000_000, time.time())
        self._probes = deque((old for old in self._probes if _may_both_hold(old, newest)), REMEMBERED)
        self._probes.append(newest)
        self._best = min(self._probes, key=lambda probe: probe.error_ms)
        self._probed_at = time.monotonic()


store_clock = StoreClock()
