"""Queries of the history, for browsing, verification, export and recovery."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Min, QuerySet
from msgspec.structs import replace

from audit.models import SyncCommit, SyncEvent, SyncSession
from synckairos.engine import replay
from synckairos.engine.event_data import rebuild
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.instants import from_datetime

_CHUNK = 2_000


class HistoryIncomplete(Exception):
    """An event is missing, until the drain writes it or for good, so later events cannot be replayed."""


def session_get(session_id: UUID, epoch: str | None = None) -> SyncSession | None:
    """Return a session by its id: the newest one, unless an epoch is given. None when there is none."""
    rows = SyncSession.objects.filter(session_id=session_id)
    if epoch is not None:
        rows = rows.filter(epoch=epoch)
    return rows.order_by("-created_at", "-pk").first()


def session_events(session: SyncSession, after_sequence: int = 0) -> QuerySet[SyncEvent]:
    """Return the events of a session after a sequence number, the oldest first."""
    return SyncEvent.objects.filter(session=session, sequence__gt=after_sequence).order_by("sequence")


def rebuilt_events(session: SyncSession, after: int = 0, up_to: int | None = None) -> Iterator[Event]:
    """Yield the history after a sequence number as the engine's events, the oldest first, up to another number if one
    is given. Raises HistoryIncomplete at the first gap."""
    expected = after + 1
    for epoch, following in lineage(session):
        if following is not None and following <= expected:
            continue
        rows = session_events(epoch, after)
        if following is not None:
            rows = rows.filter(sequence__lt=following)
        if up_to is not None:
            rows = rows.filter(sequence__lte=up_to)
        for row in rows.iterator(chunk_size=_CHUNK):
            if row.sequence != expected:
                raise HistoryIncomplete(expected)
            expected += 1
            yield rebuilt_event(row)
        if up_to is not None and expected > up_to:
            return
        if following is not None and expected != following:
            raise HistoryIncomplete(expected)
    if up_to is not None and session_events(session, up_to).exists():
        raise HistoryIncomplete(expected)


def rebuilt_event(row: SyncEvent) -> Event:
    """Return the engine's event of a row."""
    return rebuild(row.type, sequence=row.sequence, version=row.version, at_ms=from_datetime(row.at), data=row.data)


def lineage(session: SyncSession) -> list[tuple[SyncSession, int | None]]:
    """Return the epochs that a session has had, the oldest first, each with the number of the event at which the next
    one continues it; None for the last. Raises HistoryIncomplete when one of them is not there."""
    epochs: list[tuple[SyncSession, int | None]] = [(session, None)]
    while parent_epoch := epochs[0][0].parent_epoch:
        following = epochs[0][0].events.aggregate(first=Min("sequence"))["first"]
        parent = session_get(session.session_id, parent_epoch)
        if parent is None or following is None:
            raise HistoryIncomplete(1)
        epochs.insert(0, (parent, following))
    return epochs


def replayed_state(session: SyncSession) -> State | None:
    """Return the state after the written history; None without a history. Raises HistoryIncomplete.

    Events that are not written yet are missing from it: compare `version` with the session's row.
    """
    state = replay(rebuilt_events(session))
    return None if state is None else with_digest(session, state)


def with_digest(session: SyncSession, state: State) -> State:
    """Return a replayed state with the digest of its commit, which events do not tell."""
    digest = SyncCommit.objects.filter(session=session, version=state.version).values_list("digest", flat=True).first()
    return replace(state, digest=b"" if digest is None else bytes(digest))
