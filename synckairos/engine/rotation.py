"""Who comes next."""

from __future__ import annotations

from synckairos.engine.modes import mode_of
from synckairos.engine.state import NOBODY, State


def next_position(state: State) -> int | None:
    """The next participant by index, wrapping round; None when there is nobody to name.

    With `skip_cycle` or `auto_advance`, those whose clock has run out are passed over; the active one comes last, so a
    session with one participant starts that one's next cycle.
    """
    count = len(state.participants)
    if count == 0:
        return None
    first, mode = 0 if state.active == NOBODY else state.active + 1, mode_of(state)
    for step in range(count):
        position = (first + step) % count
        if not (mode.is_out(state, position) and state.config.passes_over_expired):
            return position
    return None


def nobody_left(state: State) -> bool:
    """Whether there is no clock that another cycle could run on."""
    return mode_of(state).is_over(state)
