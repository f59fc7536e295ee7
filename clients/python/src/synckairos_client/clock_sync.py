"""An estimate of the server's clock on this device."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

SAMPLES = 8
_RESOLUTION_MS = 1.0
"""Resolution of the server's instants: whole milliseconds."""
_DRIFT = 0.0005
"""Largest relative drift of a device clock that is assumed."""

DeviceClock = Callable[[], float]
"""Function that returns milliseconds since the Unix epoch on this device; they may be wrong, but must not step."""


def device_clock() -> DeviceClock:
    """Return a clock that starts with the device's time of day and continues with its monotonic clock, so it never
    steps."""
    began_ms = (time.time() - time.monotonic()) * 1000
    return lambda: began_ms + time.monotonic() * 1000


class Sample(NamedTuple):
    """One PING and its PONG."""

    round_trip_ms: float
    """Time on the network in both directions, without the server's own time."""
    offset_ms: float
    """Server clock minus device clock, with an error of at most half the round trip."""
    at_ms: float
    """Arrival of the PONG, on the device's clock."""

    def contradicts(self, other: Sample) -> bool:
        """Return true if two samples can only be explained by a step of one clock."""
        doubt_ms = (self.round_trip_ms + other.round_trip_ms) / 2 + 2 * _RESOLUTION_MS
        drift_ms = abs(self.at_ms - other.at_ms) * _DRIFT
        return abs(self.offset_ms - other.offset_ms) > doubt_ms + drift_ms


class ClockOffset:
    """Server clock minus device clock, from PINGs, as in NTP (D. L. Mills and others, RFC 5905, sections 8, 10).

    Of the last 8 samples the one with the smallest round trip is used: its delay was the smallest, so its error, at
    most half the round trip, is too.
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._estimate_ms = 0.0

    @property
    def offset_ms(self) -> float:
        """Return the offset, to be added to the device clock."""
        return min(self._samples).offset_ms if self._samples else self._estimate_ms

    @property
    def error_ms(self) -> float:
        """Return the largest error of the offset; infinite before the first sample."""
        return min(self._samples).round_trip_ms / 2 + _RESOLUTION_MS if self._samples else math.inf

    def set_estimate(self, server_ms: float, device_ms: float) -> None:
        """Use a server instant that has just arrived until the first sample."""
        self._estimate_ms = server_ms - device_ms

    def add(self, sent_ms: float, server_received_ms: float, server_sent_ms: float, received_ms: float) -> None:
        """Add a sample: device clock, server clock twice, device clock."""
        round_trip_ms = max(0.0, (received_ms - sent_ms) - (server_sent_ms - server_received_ms))
        offset_ms = ((server_received_ms - sent_ms) + (server_sent_ms - received_ms)) / 2
        sample = Sample(round_trip_ms, offset_ms, received_ms)
        if self._samples and sample.contradicts(min(self._samples)):
            self._samples.clear()  # one clock has stepped, or this device has slept, so older samples are wrong
        self._samples.append(sample)
