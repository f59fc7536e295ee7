"""The end of a session in which nothing happens any more. The caller decides after how long."""

from __future__ import annotations

from synckairos.engine.clock import clock_of
from synckairos.engine.deadlines import next_deadline
from synckairos.engine.decide import Decision
from synckairos.engine.events import SessionAbandoned
from synckairos.engine.evolve import evolve
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Status


def is_idle(state: State) -> bool:
    """Return true for a session that has not ended, and that no deadline will change."""
    return not state.status.is_final and next_deadline(state) is None


def runs_by_itself(state: State) -> bool:
    """Return true for a session in which each clock that expires starts the next one without a command."""
    config = state.config
    if state.status is not Status.RUNNING or (config.action_on_timeout is None and not config.auto_advance):
        return False
    return config.skips_on_timeout and next_deadline(state) is not None


def round_ms(state: State) -> Duration:
    """Return about how long such a session needs until the clock of each participant has expired once."""
    clock = clock_of(state)
    cycle_ms = state.config.time_per_cycle_ms or (0 if clock is None else clock.bank.left_ms)
    return cycle_ms * max(1, len(state.participants))


def abandon(state: State, at_ms: Instant, *, idle_since_ms: Instant) -> Decision:
    """Return the decision that ends a session at an instant at which none of its deadlines is due."""
    at_ms = max(at_ms, state.updated_ms)
    event = SessionAbandoned(state.sequence + 1, state.version + 1, at_ms, idle_since_ms)
    return Decision(state, evolve(state, event), (event,), None, due=1)
