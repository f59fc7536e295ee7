"""The rows of an export: sessions in the order of their primary keys, and the events of each in their order.

Rows are read in pages, each by a query of its own, without a cursor or a transaction that stays open: a client that
reads slowly keeps nothing in the database, and one that goes away leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat
from msgspec import Struct

from audit.listing import Filters, matching
from audit.models import SyncCommit, SyncEvent, SyncSession
from synckairos.auth.principal import SYSTEM
from synckairos.engine.units import Instant
from synckairos.instants import from_datetime
from synckairos.outbox import Door
from synckairos.portions import portions

PAGE = 2_000
"""Events in one query, about: small sessions are read together, and large ones in parts."""
_SESSIONS = 500
"""Sessions in one query."""


class ExportedEvent(Struct, frozen=True, gc=False):
    """One event with its session and its commit. The names of the fields are those of the columns."""

    session_id: str
    epoch: str
    sync_mode: str
    sequence: int
    version: int
    commit_version: int | None
    """The version of its commit; None for events of releases before commits had rows."""
    type: str
    at: Instant
    committed_at: Instant
    principal: str
    role: str
    """The role of the principal; empty for the timekeeper."""
    door: str
    """The door of the commit; that of an event which a deadline has caused is the timekeeper."""
    request_id: str
    data: str
    """The other fields of the event, as JSON."""


COLUMNS = ExportedEvent.__struct_fields__


class Selection(Struct, frozen=True, kw_only=True):
    """The events of an export: those of some sessions, committed in some period."""

    session_ids: tuple[UUID, ...] = ()
    """Ids of sessions, in all their epochs; empty for all sessions."""
    filters: Filters = Filters()
    with_deleted: bool = True
    """True to export deleted sessions too."""
    since: datetime | None = None
    until: datetime | None = None
    """The end of the period; events that were committed at this very instant are not in it."""


def _committed_since(since: datetime) -> Q:
    """Return the condition of sessions whose newest commit is of an instant or later; its events may be of before.
    Sessions of releases without rows of commits are found by their last event."""
    newest = SyncCommit.objects.filter(session=OuterRef("pk"), version=OuterRef("version"), committed_at__gte=since)
    return Q(updated_at__gte=since) | Q(Exists(newest))


class Source:
    """The sessions and events of a selection; `events` counts those that were read."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.events = 0

    def sessions(self) -> Iterator[SyncSession]:
        """Yield the sessions of the selection."""
        rows, last = self._sessions(), 0
        while some := list(rows.filter(pk__gt=last).order_by("pk")[:_SESSIONS]):
            yield from some
            last = some[-1].pk

    def pages(self) -> Iterator[list[ExportedEvent]]:
        """Yield the events, in lists that are never empty."""
        for together in portions(self.sessions(), PAGE, lambda session: session.version):
            for rows in self._pages_of(together):
                self.events += len(rows)
                yield rows

    def _sessions(self) -> QuerySet[SyncSession]:
        chosen, filters = self.selection, self.selection.filters
        rows = SyncSession.objects.filter(matching(filters, "", "pk", with_deleted=chosen.with_deleted))
        if chosen.session_ids:
            rows = rows.filter(session_id__in=chosen.session_ids)
        for name, value in (
            ("created_at__gte", filters.created_from),
            ("created_at__lt", filters.created_to),
            ("created_at__lt", chosen.until),
        ):
            rows = rows if value is None else rows.filter(**{name: value})
        return rows if chosen.since is None else rows.filter(_committed_since(chosen.since))

    def _pages_of(self, sessions: list[SyncSession]) -> Iterator[list[ExportedEvent]]:
        by_key = {session.pk: session for session in sessions}
        rows = _values(self._in_period(SyncEvent.objects.filter(session__in=[*by_key])))
        if len(sessions) > 1:
            if found := [_exported(by_key[row[0]], row) for row in rows.order_by("session_id", "sequence")]:
                yield found
            return
        last = -1
        while found := [
            _exported(sessions[0], row) for row in rows.filter(sequence__gt=last).order_by("sequence")[:PAGE]
        ]:
            yield found
            last = found[-1].sequence

    def _in_period(self, rows: QuerySet[SyncEvent]) -> QuerySet[SyncEvent]:
        if self.selection.since is not None:
            rows = rows.filter(committed_at__gte=self.selection.since)
        if self.selection.until is not None:
            rows = rows.filter(committed_at__lt=self.selection.until)
        return rows


_COMMIT = SyncCommit.objects.filter(session=OuterRef("session"), version=OuterRef("commit_version"))
_ROLE_AND_DOOR = Subquery(_COMMIT.values_list(Concat(F("role"), Value(" "), F("door"), output_field=CharField()))[:1])


def _values(rows: QuerySet[SyncEvent]) -> QuerySet[Any, Any]:
    return rows.annotate(role_and_door=_ROLE_AND_DOOR, text=Cast("data", TextField())).values_list(
        *("session_id", "sequence", "version", "commit_version", "type", "at", "committed_at"),
        *("principal", "role_and_door", "request_id", "text"),
    )


def _exported(session: SyncSession, row: tuple[Any, ...]) -> ExportedEvent:
    _, sequence, version, commit_version, kind, at, committed_at, principal, role_and_door, request_id, text = row
    role, _, door = (role_and_door or "").partition(" ")
    if principal == SYSTEM.subject:
        role, door = "", door and Door.TIMEKEEPER.value
    return ExportedEvent(
        str(session.session_id),
        session.epoch,
        session.sync_mode,
        sequence,
        version,
        commit_version,
        kind,
        from_datetime(at),
        from_datetime(committed_at),
        principal,
        role,
        door,
        request_id,
        text,
    )
