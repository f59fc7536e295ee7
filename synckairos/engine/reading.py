"""The reading of a clock at an instant: the numbers that every screen derives from a state."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine.decide import shares_clock
from synckairos.engine.modes import mode_of
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration, Instant, Status, SyncMode


class Reading(Struct, frozen=True):
    """The clock of a settled state at one instant."""

    at_ms: Instant
    time_remaining_ms: Duration | None
    """Time left on the clock that runs, or that runs next; None when no clock drains or no cycle is open."""
    overtime_ms: Duration
    deadline_ms: Instant | None
    """Instant at which the running clock ends or ended."""
    stretch_ms: Duration
    """Time that the active participant has used since the stretch began."""


def read(state: State, now: Instant) -> Reading:
    """Read the clock of a settled state at `now`."""
    now = max(now, state.updated_ms)
    if state.status is Status.PENDING:
        state = replace(state, active=state.opening)  # the clock that will run first
    stretch_ms = state.stretch_ms(now)
    mode = mode_of(state)
    left_ms = mode.left_ms(state)
    if left_ms is None or (state.status.is_final and not mode.is_common):
        return Reading(now, None, 0, None, stretch_ms)
    overtime_ms = state.cycle.overtime_ms + max(0, stretch_ms - left_ms)
    started_ms = state.cycle.started_ms
    # A clock that ran out in an earlier stretch ended then; this stretch knows nothing of that instant.
    is_known = started_ms is not None and not state.cycle.overtime_ms and state.status is Status.RUNNING
    deadline_ms = started_ms + left_ms if is_known and started_ms is not None else None
    return Reading(now, max(0, left_ms - stretch_ms), overtime_ms, deadline_ms, stretch_ms)


def seats_left_ms(state: State, stretch_ms: Duration) -> list[Duration | None]:
    """Return the time left of every participant in order, `stretch_ms` after the running stretch began."""
    mode, active = mode_of(state), state.active
    if not mode.is_common and active == NOBODY:
        return mode.seats_left_ms(state)
    left_ms = mode.left_ms(state)
    running_ms = None if left_ms is None else max(0, left_ms - stretch_ms)
    if mode.is_common:
        return [running_ms] * len(state.participants)
    seats = mode.seats_left_ms(state)
    seats[active] = running_ms
    if state.config.sync_mode is SyncMode.PER_GROUP:
        seats = [running_ms if shares_clock(state, p, active) else left for p, left in enumerate(seats)]
    return seats
