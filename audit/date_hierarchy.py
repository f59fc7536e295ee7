"""The admin's date hierarchy without reading the whole table for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Max, Min, QuerySet

_LONGEST = {"year": timedelta(days=366), "month": timedelta(days=31), "day": timedelta(days=1)}


class Periods(QuerySet[Any]):
    """Offers every period between the first row and the last, empty ones too: both ends are in the index."""

    def datetimes(self, field_name: str, kind: str, order: str = "ASC", tzinfo: tzinfo | None = None) -> Any:
        """Starts of years, months or days, in UTC; ascending, whatever `order` says."""
        ends = self.order_by().aggregate(first=Min(field_name), last=Max(field_name))
        if ends["first"] is None:
            return []
        return list(_starts(kind, ends["first"].astimezone(UTC), ends["last"]))


def _starts(kind: str, first: datetime, last: datetime) -> Iterator[datetime]:
    start = _start(kind, first)
    while start <= last:
        yield start
        start = _start(kind, start + _LONGEST[kind])


def _start(kind: str, moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "day":
        return midnight
    return midnight.replace(day=1) if kind == "month" else midnight.replace(month=1, day=1)
