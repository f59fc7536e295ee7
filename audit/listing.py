"""Lists of sessions, the newest first, in pages that continue after the last row of the page before.

A list is the union of branches. Each branch reads one index in its order and stops after a page, so a page costs about
as much in a large table as in a small one (docs/performance.md). Deleted sessions are in no list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from django.db.models import Exists, OuterRef, Q, QuerySet
from msgspec import Struct

from audit.models import SyncLabel, SyncParticipant, SyncSession
from synckairos.engine.units import Status, SyncMode
from synckairos.instants import EPOCH

Branch: TypeAlias = tuple[QuerySet[Any], str]
"""Rows with the creation of a session, and the field that holds its primary key."""
Position: TypeAlias = tuple[datetime, int]
"""The place of a session in a list: its creation, and its primary key."""


MAX_LIMIT, DEFAULT_LIMIT = 100, 50
"""Sessions in a page: the most, and as many as without a limit."""
CURSOR = "[0-9a-f]{1,14}-[0-9a-f]{1,15}"
"""Form of a cursor. Every text of this form is one."""
_MICROSECOND = timedelta(microseconds=1)


class Filters(Struct, frozen=True, kw_only=True):
    """Conditions that all hold for the sessions of a list; None for no condition."""

    status: Status | None = None
    mode: SyncMode | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    """The end of the period; sessions of this very instant are not in it."""
    user_id: str | None = None
    """A person that takes part."""
    label: tuple[str, str] | None = None
    """Key and value of a label (audit/labels.py)."""


class Page(Struct, frozen=True):
    """The sessions of one page of a list, and where the next page begins."""

    sessions: list[SyncSession]
    """Sessions with their labels prefetched."""
    last: Position | None
    """The position after which the next page begins; None on the last page."""


def page_of_sessions(filters: Filters, person: str | None, after: Position | None, limit: int) -> Page:
    """Return the first sessions after a position. `person` limits the list to sessions that it owns or takes part in;
    None for all."""
    found = {
        position
        for rows, key in _branches(filters, person)
        for position in _positions(rows, key, filters, after)[: limit + 1]
    }
    positions = sorted(found, reverse=True)
    shown = positions[:limit]
    rows = SyncSession.objects.prefetch_related("labels").in_bulk([pk for _, pk in shown])
    sessions = [rows[pk] for _, pk in shown if pk in rows]  # retention may have removed one in between
    return Page(sessions, shown[-1] if len(positions) > limit else None)


def _branches(filters: Filters, person: str | None) -> Iterator[Branch]:
    """Yield the branches of a list, which together have all its sessions."""
    if person is not None:
        yield _sessions(Q(owner=person), filters)
        yield _seats(person, filters)
    elif filters.user_id is not None:
        yield _seats(filters.user_id, msgspec.structs.replace(filters, user_id=None))
    elif filters.label is not None:
        key, value = filters.label
        labels = SyncLabel.objects.filter(key=key, value=value)
        yield _through(labels, msgspec.structs.replace(filters, label=None))
    elif filters.mode is not None and filters.status is None:
        for status in Status:  # the index has the status before the creation
            yield _sessions(Q(), msgspec.structs.replace(filters, status=status))
    else:
        yield _sessions(Q(), filters)


def _seats(person: str, filters: Filters) -> Branch:
    seats = SyncParticipant.objects.filter(user_id=person, created_at__isnull=False)
    return _through(seats.distinct(), filters)  # a person may have several seats in a session


def _sessions(condition: Q, filters: Filters) -> Branch:
    return SyncSession.objects.filter(condition).filter(matching(filters, "", "pk")), "pk"


def _through(rows: QuerySet[Any], filters: Filters) -> Branch:
    """Return the branch of rows that refer to sessions and have the instant of their creation."""
    return rows.filter(matching(filters, "session__", "session_id")), "session_id"


def matching(filters: Filters, to_session: str, key: str, *, with_deleted: bool = False) -> Q:
    """Return the conditions of filters, but for the period. `to_session` leads from the row to its session, and `key`
    is the primary key of the session."""
    condition = Q()
    if not with_deleted:  # nor an epoch that another one continues
        condition = Q(**{f"{to_session}deleted_at__isnull": True, f"{to_session}restored_as": ""})
    if filters.status is not None:
        condition &= Q(**{f"{to_session}status": filters.status.value})
    if filters.mode is not None:
        condition &= Q(**{f"{to_session}sync_mode": filters.mode.value})
    if filters.user_id is not None:
        condition &= Q(Exists(SyncParticipant.objects.filter(session=OuterRef(key), user_id=filters.user_id)))
    if filters.label is not None:
        label_key, value = filters.label
        condition &= Q(Exists(SyncLabel.objects.filter(session=OuterRef(key), key=label_key, value=value)))
    return condition


def _positions(rows: QuerySet[Any], key: str, filters: Filters, after: Position | None) -> QuerySet[Any, Position]:
    """Return the positions of a branch within the period of the filters and after a position, in the order of lists."""
    if filters.created_from is not None:
        rows = rows.filter(created_at__gte=filters.created_from)
    if filters.created_to is not None:
        rows = rows.filter(created_at__lt=filters.created_to)
    if after is not None:
        created_at, pk = after  # the first condition is one that an index can begin with
        rows = rows.filter(created_at__lte=created_at).filter(Q(created_at__lt=created_at) | Q(**{f"{key}__lt": pk}))
    return rows.order_by("-created_at", f"-{key}").values_list("created_at", key)


def cursor_of(position: Position) -> str:
    """Return a position as an opaque text in the form of CURSOR."""
    created_at, pk = position
    return f"{(created_at - EPOCH) // _MICROSECOND:x}-{pk:x}"


def position_of(cursor: str) -> Position:
    """Return the position of a text. Raises ValueError for a text that is no cursor."""
    if re.fullmatch(CURSOR, cursor) is None:
        raise ValueError("no cursor")
    microseconds, pk = (int(part, 16) for part in cursor.split("-"))
    return EPOCH + microseconds * _MICROSECOND, pk
