"""Past states of a session, from its written history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from audit.models import SyncSession
from audit.selectors import rebuilt_events
from synckairos.engine import replay
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant


def state_after(session: SyncSession, sequence: int) -> State | None:
    """Return the state after the event with this number; None before the creation. Raises HistoryIncomplete."""
    return replay(_up_to(rebuilt_events(session), sequence))


def state_at(session: SyncSession, at_ms: Instant) -> State | None:
    """Return the state after all events of an instant and before, up to the first later one; None before the creation.
    Raises HistoryIncomplete."""
    return replay(takewhile(lambda event: event.at_ms <= at_ms, rebuilt_events(session)))


def _up_to(events: Iterator[Event], sequence: int) -> Iterator[Event]:
    """Yield the events up to a number, without a look at what follows: that may be missing."""
    if sequence < 1:
        return
    for event in events:
        yield event
        if event.sequence >= sequence:
            return
