"""Reading the history, for whoever browses, verifies, exports or restores it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import QuerySet

from audit.models import SyncEvent, SyncSession
from synckairos.engine import replay
from synckairos.engine.events import Event, rebuild
from synckairos.engine.state import State
from synckairos.instants import from_datetime

_CHUNK = 2_000


class HistoryIncomplete(Exception):
    """An event is missing, for now (the drain is not there yet) or for good: what follows cannot be replayed."""


def session_get(session_id: UUID, epoch: str | None = None) -> SyncSession | None:
    """A session by its id: the newest of that id, unless an epoch names one. None when there is none."""
    rows = SyncSession.objects.filter(session_id=session_id)
    if epoch is not None:
        rows = rows.filter(epoch=epoch)
    return rows.order_by("-created_at", "-pk").first()


def session_events(session: SyncSession, after_sequence: int = 0) -> QuerySet[SyncEvent]:
    """The events of a session after a sequence number, oldest first."""
    return SyncEvent.objects.filter(session=session, sequence__gt=after_sequence).order_by("sequence")


def rebuilt_events(session: SyncSession) -> Iterator[Event]:
    """The whole history as the engine's own events, oldest first. Raises HistoryIncomplete at the first gap."""
    rows = session_events(session).iterator(chunk_size=_CHUNK)
    for expected, row in enumerate(rows, start=1):
        if row.sequence != expected:
            raise HistoryIncomplete(expected)
        yield rebuild(row.type, sequence=row.sequence, version=row.version, at_ms=from_datetime(row.at), data=row.data)


def replayed_state(session: SyncSession) -> State | None:
    """The state that the written history leads to; None without a history. Raises HistoryIncomplete.

    Events after the last one written are unknown here: compare `version` with the session's row.
    """
    return replay(rebuilt_events(session))
