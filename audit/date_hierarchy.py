"""The admin's date hierarchy without a read of the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Max, Min, QuerySet

_MAX_LENGTH = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}


class DateHierarchyQuerySet(QuerySet[Any]):
    """Returns every period from the first row to the last, including empty ones, since both bounds are in the index."""

    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: tzinfo | None = None) -> Any:
        """Return the starts of years, months or days, in UTC, in ascending order whatever `order` is."""
        bounds = self.order_by().aggregate(first=Min(field_name), last=Max(field_name))
        if bounds["first"] is None:
            return []
        return list(_period_starts(kind, bounds["first"].astimezone(UTC), bounds["last"]))


def _period_starts(kind: str, first: datetime, last: datetime) -> Iterator[datetime]:
    start = _period_start(kind, first)
    while start <= last:
        yield start
        start = _period_start(kind, start + _MAX_LENGTH[kind])


def _period_start(kind: str, instant: datetime) -> datetime:
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "day":
        return midnight
    return midnight.replace(day=1) if kind == "month" else midnight.replace(month=1, day=1)
