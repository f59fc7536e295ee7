"""Instants in the form of the API: ISO 8601, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from synckairos.engine.units import Instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_datetime(at_ms: Instant) -> datetime:
    """Return the instant as an aware datetime, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=at_ms)


@lru_cache(maxsize=16_384)
def as_iso(at_ms: Instant) -> str:
    """Return the instant as `2026-01-01T00:00:00.000Z`. Cached, since a state repeats most instants of the one
    before."""
    second, ms = divmod(at_ms, 1000)
    return f"{as_iso_second(second)}.{ms:03d}Z"


@lru_cache(maxsize=4096)
def as_iso_second(second: int) -> str:
    """Return seconds since the epoch as `2026-01-01T00:00:00`."""
    return as_datetime(second * 1000).replace(tzinfo=None).isoformat()


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of a datetime, rounded down to milliseconds."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_iso(text: str) -> datetime:
    """Return the instant of a text in ISO 8601, in UTC unless it says otherwise. Raises ValueError for other texts."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
