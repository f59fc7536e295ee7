"""Letting a session go in which nothing happens any more. How long that takes is not the engine's to say."""

from __future__ import annotations

from synckairos.engine.deadlines import next_deadline
from synckairos.engine.decide import Decision
from synckairos.engine.events import SessionAbandoned
from synckairos.engine.evolve import evolve
from synckairos.engine.modes import mode_of
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Status


def is_idle(state: State) -> bool:
    """Whether nothing more will happen to a session by itself, though it has not ended."""
    return not state.status.is_final and next_deadline(state) is None


def runs_by_itself(state: State) -> bool:
    """Whether each clock that runs out makes way for the next one, with nobody's help."""
    config = state.config
    if state.status is not Status.RUNNING or (config.action_on_timeout is None and not config.auto_advance):
        return False
    return config.skips_on_timeout and next_deadline(state) is not None


def round_ms(state: State) -> Duration:
    """How long it takes such a session, more or less, until everybody's clock has run out once."""
    cycle_ms = state.config.time_per_cycle_ms or mode_of(state).left_ms(state) or 0
    return cycle_ms * max(1, len(state.participants))


def abandon(state: State, at_ms: Instant, *, idle_since_ms: Instant) -> Decision:
    """The end of a session, as of an instant at which no deadline of it is due."""
    at_ms = max(at_ms, state.updated_ms)
    event = SessionAbandoned(state.sequence + 1, state.version + 1, at_ms, idle_since_ms)
    return Decision(state, evolve(state, event), (event,), None, due=1)
