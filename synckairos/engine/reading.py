"""The reading of a clock at an instant: the numbers that every screen derives from a state."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine.clock import Clock, clock_of
from synckairos.engine.pools import pool_of
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration, Instant, Status


class Reading(Struct, frozen=True):
    """The clock of a settled state at one instant."""

    at_ms: Instant
    time_remaining_ms: Duration | None
    """Time left on the clock that runs, or that runs next; None when no clock drains or no cycle is open."""
    overtime_ms: Duration
    deadline_ms: Instant | None
    """Instant at which the running clock, or the phase that it is in, ends or ended."""
    stretch_ms: Duration
    """Time that the active participant has used since the stretch began."""
    drains_from_ms: Instant | None = None
    """Instant from which on the running clock drains, until the deadline."""
    clock: Clock | None = None
    """The clock that was read."""


def read(state: State, now: Instant) -> Reading:
    """Read the clock of a settled state at `now`."""
    now = max(now, state.updated_ms)
    if state.status is Status.PENDING:
        state = replace(state, active=state.opening)  # the clock that will run first
    stretch_ms, clock = state.stretch_ms(now), clock_of(state)
    if clock is None or (state.status.is_final and not clock.pool.is_common):
        return Reading(now, None, 0, None, stretch_ms)
    left_ms, overtime_ms = clock.left_ms(stretch_ms), state.cycle.overtime_ms + clock.over_ms(stretch_ms)
    started_ms = state.cycle.started_ms
    # A clock that ran out in an earlier stretch ended then; this stretch knows nothing of that instant.
    if started_ms is None or state.cycle.overtime_ms or state.status is not Status.RUNNING:
        return Reading(now, left_ms, overtime_ms, None, stretch_ms, None, clock)
    drains_from_ms = started_ms + clock.lead_in_ms
    deadline_ms = drains_from_ms + clock.bank.left_ms
    return Reading(now, left_ms, overtime_ms, deadline_ms, stretch_ms, drains_from_ms, clock)


def seats_left_ms(state: State, stretch_ms: Duration, clock: Clock | None = None) -> list[Duration | None]:
    """Return the time left of every participant in order, `stretch_ms` after the running stretch began. `clock` is that
    of the state, if somebody knows it already."""
    pool, active = pool_of(state), state.active
    clock = clock or clock_of(state)
    left_ms = None if clock is None else clock.left_ms(stretch_ms)
    if pool.is_common:
        return [left_ms] * len(state.participants)
    seats = pool.seats_left_ms(state)
    if active == NOBODY:
        return seats
    if not pool.is_shared:
        seats[active] = left_ms
    else:
        seats = [left_ms if pool.shares_clock(state, p, active) else left for p, left in enumerate(seats)]
    gained_ms = 0 if clock is None else clock.gained_ms(stretch_ms)
    if not gained_ms:
        return seats
    return [
        left if left is None or pool.shares_clock(state, p, active) else left + gained_ms
        for p, left in enumerate(seats)
    ]
