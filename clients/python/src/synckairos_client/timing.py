"""The server's clock, as this device can know it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

KEPT = 8
_RESOLUTION_MS = 1.0
"""The server tells whole milliseconds."""
_DRIFT = 0.0005
"""More than any device's clock drifts."""

DeviceClock = Callable[[], float]
"""Milliseconds since the Unix epoch, as this device believes; may be wrong, must not step."""


def device_clock() -> DeviceClock:
    """The device's time of now, carried on by its monotonic clock: nobody who sets the device's clock moves it."""
    began_ms = (time.time() - time.monotonic()) * 1000
    return lambda: began_ms + time.monotonic() * 1000


class Sample(NamedTuple):
    """One PING and its PONG."""

    round_trip_ms: float
    """On the way, both ways, without the server's own time."""
    offset_ms: float
    """Server clock minus device clock, right to half the round trip."""
    at_ms: float
    """When it came back, on the device's clock."""

    def contradicts(self, other: Sample) -> bool:
        """Whether both cannot be true of clocks that did not step meanwhile."""
        doubt_ms = (self.round_trip_ms + other.round_trip_ms) / 2 + 2 * _RESOLUTION_MS
        drift_ms = abs(self.at_ms - other.at_ms) * _DRIFT
        return abs(self.offset_ms - other.offset_ms) > doubt_ms + drift_ms


class Offset:
    """Server clock minus device clock, from PINGs, as NTP finds it (D. L. Mills and others, RFC 5905, sections 8, 10).

    Of the last 8 samples the one with the least round trip is believed: it waited least on the way, so its error, at
    most half that round trip, is least.
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._rough_ms = 0.0

    @property
    def offset_ms(self) -> float:
        """Add this to the device's clock."""
        return min(self._samples).offset_ms if self._samples else self._rough_ms

    @property
    def error_ms(self) -> float:
        """How far off that may be; infinite before the first sample."""
        return min(self._samples).round_trip_ms / 2 + _RESOLUTION_MS if self._samples else math.inf

    def guess(self, server_ms: float, device_ms: float) -> None:
        """A server instant that has just arrived: something to show until the first sample."""
        self._rough_ms = server_ms - device_ms

    def add(self, sent_ms: float, server_received_ms: float, server_sent_ms: float, received_ms: float) -> None:
        """A sample: device clock, server clock twice, device clock."""
        round_trip_ms = max(0.0, (received_ms - sent_ms) - (server_sent_ms - server_received_ms))
        offset_ms = ((server_received_ms - sent_ms) + (server_sent_ms - received_ms)) / 2
        sample = Sample(round_trip_ms, offset_ms, received_ms)
        if self._samples and sample.contradicts(min(self._samples)):
            self._samples.clear()  # one clock has stepped, or this device has slept: what was known is no more
        self._samples.append(sample)
