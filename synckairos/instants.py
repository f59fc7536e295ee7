"""Instants as clients see them: ISO 8601, UTC, milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from synckairos.engine.units import Instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_datetime(at_ms: Instant) -> datetime:
    """The instant as an aware datetime, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=at_ms)


def as_iso(at_ms: Instant) -> str:
    """`2026-01-01T00:00:00.000Z`"""
    return as_datetime(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_datetime(moment: datetime) -> Instant:
    """The inverse of `as_datetime`; sub-millisecond parts are cut off."""
    return (moment - EPOCH) // timedelta(milliseconds=1)
