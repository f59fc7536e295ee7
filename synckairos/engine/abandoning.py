"""Letting a session go in which nothing happens any more. How long that takes is not the engine's to say."""

from __future__ import annotations

from synckairos.engine.deadlines import next_deadline
from synckairos.engine.decide import Decision
from synckairos.engine.events import SessionAbandoned
from synckairos.engine.evolve import evolve
from synckairos.engine.state import State
from synckairos.engine.units import Instant


def is_idle(state: State) -> bool:
    """Whether nothing more will happen to a session by itself, though it has not ended."""
    return not state.status.is_final and next_deadline(state) is None


def abandon(state: State, at_ms: Instant, *, idle_since_ms: Instant) -> Decision:
    """The end of an idle session, as of an instant."""
    at_ms = max(at_ms, state.updated_ms)
    event = SessionAbandoned(state.sequence + 1, state.version + 1, at_ms, idle_since_ms)
    return Decision(state, evolve(state, event), (event,), None, due=1)
