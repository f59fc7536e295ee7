"""A rate limit for the messages of one socket, counted in its process: a GCRA, like the limits in the store."""

from __future__ import annotations

import time

from synckairos.conf import Rate


class MessageRateLimit:
    """The messages that may still come: `limit` at once, then one for each `period / limit`."""

    __slots__ = ("_arrival_s", "_burst_s", "_interval_s")

    def __init__(self, rate: Rate) -> None:
        self._interval_s = rate.period_ms / rate.limit / 1000
        self._burst_s = self._interval_s * (rate.limit - 1)
        self._arrival_s = 0.0

    def try_acquire(self) -> bool:
        """Count one message; return False when it is above the limit."""
        now_s = time.monotonic()
        arrival_s = max(self._arrival_s, now_s)
        if arrival_s - now_s > self._burst_s:
            return False
        self._arrival_s = arrival_s + self._interval_s
        return True
