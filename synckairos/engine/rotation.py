"""The rotation: the choice of the next participant."""

from __future__ import annotations

from synckairos.engine.pools import pool_of
from synckairos.engine.state import State


def next_position(state: State) -> int | None:
    """Return the position of the next participant by index, from the last to the first; None when there is none.

    With `skip_cycle` or `auto_advance`, participants whose clock has expired are left out. The active participant is
    considered last, so a session with one participant starts the next cycle of the same one.
    """
    count = len(state.participants)
    if count == 0:
        return None
    pool, first = pool_of(state), state.active + 1  # 0 without an active participant
    if first < count and not pool.is_out(state, first):
        return first
    for step in range(count):
        position = (first + step) % count
        if not (pool.is_out(state, position) and state.config.passes_over_expired):
            return position
    return None


def has_no_clock_left(state: State) -> bool:
    """Return true when no clock is left for another cycle."""
    return pool_of(state).is_over(state)
