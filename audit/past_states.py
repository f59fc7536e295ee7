"""Past states of a session: from the nearest snapshot before, and the events after it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from django.db.models import Q
from msgspec import Struct

from audit import selectors
from audit.models import SyncSession, SyncSnapshot
from synckairos.engine import evolve
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.instants import as_datetime, from_datetime
from synckairos.stored_state import Unreadable, decode_state


class Reading(Struct):
    """The cost of reading a past state."""

    events: int = 0
    """Number of events that were applied; few after a snapshot, and without one all since the creation."""


def state_after(session: SyncSession, sequence: int, reading: Reading | None = None) -> State | None:
    """Return the state after the event with this number; None before the creation. Raises HistoryIncomplete."""
    state = _snapshot(session, Q(sequence__lte=sequence))
    return _replayed(state, selectors.rebuilt_events(session, _sequence_of(state), sequence), reading)


def state_at(session: SyncSession, at_ms: Instant, reading: Reading | None = None) -> State | None:
    """Return the state after all events of an instant and before, up to the first later one; None before the creation.
    Raises HistoryIncomplete."""
    state = _snapshot(session, Q(at__lte=as_datetime(at_ms)))
    events = selectors.rebuilt_events(session, _sequence_of(state), _first_snapshot_after(session, at_ms))
    return _replayed(state, takewhile(lambda event: event.at_ms <= at_ms, events), reading)


def snapshots(session: SyncSession) -> Iterator[tuple[SyncSnapshot, State | None]]:
    """Yield the snapshots of a session in all its epochs, the oldest first, each with its state, or None for one that
    cannot be read. Raises HistoryIncomplete."""
    for epoch, following in selectors.lineage(session):
        rows = SyncSnapshot.objects.filter(session=epoch)
        if following is not None:
            rows = rows.filter(sequence__lt=following)
        for row in rows.order_by("sequence"):
            yield row, _decoded(row)


def _snapshot(session: SyncSession, wanted: Q) -> State | None:
    """Return the latest readable snapshot of these, of any epoch; None without one."""
    for epoch, following in reversed(selectors.lineage(session)):
        rows = SyncSnapshot.objects.filter(wanted, session=epoch)
        if following is not None:
            rows = rows.filter(sequence__lt=following)
        for row in rows.order_by("-version"):
            if (state := _decoded(row)) is not None:
                return state
    return None


def _decoded(row: SyncSnapshot) -> State | None:
    try:
        state = decode_state(bytes(row.state))
    except Unreadable:
        return None
    said = (row.version, row.sequence, from_datetime(row.at))
    return state if (state.version, state.sequence, state.updated_ms) == said else None


def _first_snapshot_after(session: SyncSession, at_ms: Instant) -> int | None:
    """Return the number of the last event of the first snapshot after an instant; None without one. This event is later
    than the instant, so a search need not go beyond it."""
    for epoch, following in selectors.lineage(session):
        rows = SyncSnapshot.objects.filter(session=epoch, at__gt=as_datetime(at_ms))
        if following is not None:
            rows = rows.filter(sequence__lt=following)
        if row := rows.order_by("version").values_list("sequence", flat=True).first():
            return row
    return None


def _sequence_of(state: State | None) -> int:
    return 0 if state is None else state.sequence


def _replayed(state: State | None, events: Iterator[Event], reading: Reading | None) -> State | None:
    reading = Reading() if reading is None else reading
    for event in events:
        state = evolve(state, event)
        reading.events += 1
    return state
