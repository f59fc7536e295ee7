"""The interface of a mode. A new mode is a file beside this one and a row in the table of `__init__`.

All methods are pure: they never change `state`, but return a new one.
"""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.state import Group, Participant, State
from synckairos.engine.units import Duration

T = TypeVar("T")

Problem = tuple[str, str]
"""A broken rule: its field and its message."""

Banks = tuple[tuple[Participant, ...], tuple[Group, ...]]
"""The participants and the groups of a state, with what is left to each."""


def with_item(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    """Return the tuple with one item replaced."""
    changed = list(items)
    changed[position] = item
    return tuple(changed)


def with_participant(state: State, position: int, participant: Participant) -> State:
    """Return the state with one participant replaced."""
    return replace(state, participants=with_item(state.participants, position, participant))


def with_group(state: State, position: int, group: Group) -> State:
    """Return the state with one group replaced."""
    return replace(state, groups=with_item(state.groups, position, group))


class Mode:
    """The clock that runs, and the bank that it drains. The defaults are those of a clock without banks."""

    has_increment = False
    """True if the mode supports `increment_ms`."""
    has_banks = False
    """True if participants or their groups have banks, which can be adjusted."""
    is_common = False
    """True if the whole session has one clock, whichever participant is active."""

    def left_ms(self, state: State) -> Duration | None:
        """Return the time left on the running clock at the start of the running stretch; None when no clock drains."""
        raise NotImplementedError

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        """Return the time left of a participant that is not active."""
        raise NotImplementedError

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        """Return the time left of every participant in order, as if none were active."""
        return [self.seat_left_ms(state, position) for position in range(len(state.participants))]

    def charge(self, state: State, stretch_ms: Duration, increment_ms: Duration, cycles: int) -> Banks:
        """Return the banks after a stretch of the active participant, its increment, and the number of cycles that it
        has finished in it."""
        active = state.active_participant
        if active is None:
            return state.participants, state.groups
        used = replace(active, time_used_ms=active.time_used_ms + stretch_ms, cycle_count=active.cycle_count + cycles)
        return with_item(state.participants, state.active, used), state.groups

    def with_bank(self, state: State, position: int, total_ms: Duration) -> State:
        """Set the bank that a participant draws on; with time above 0 an expired clock runs again."""
        return state

    def expire(self, state: State) -> State:
        """Return the state with the owner of the running clock marked as expired."""
        return state

    def clock_expired(self, state: State) -> bool:
        """Return true if the running clock has expired, and its expiry is an event already."""
        raise NotImplementedError

    def is_out(self, state: State, position: int) -> bool:
        """Return true for a participant that the rotation may leave out, because its clock has expired."""
        return False

    def is_over(self, state: State) -> bool:
        """Return true when no clock is left for another cycle."""
        return False

    def not_expired(self, state: State) -> list[UUID]:
        """Return the ids of those that have not expired: the candidates for `winner`."""
        return []

    def problems(self, create: Create) -> list[Problem]:
        """Return the rules of this mode that a creation breaks."""
        return []
