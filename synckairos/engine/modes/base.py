"""What a mode must answer. A new one is one file beside this and one row in the table of `__init__`.

All methods are pure; `state` is never changed, a new one is returned.
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
"""(field, message)"""

Banks = tuple[tuple[Participant, ...], tuple[Group, ...]]
"""The participants and the groups of a state, with what is left to each."""


def with_item(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    """The tuple with one item exchanged."""
    changed = list(items)
    changed[position] = item
    return tuple(changed)


def with_participant(state: State, position: int, participant: Participant) -> State:
    """The state with one participant exchanged."""
    return replace(state, participants=with_item(state.participants, position, participant))


def with_group(state: State, position: int, group: Group) -> State:
    """The state with one group exchanged."""
    return replace(state, groups=with_item(state.groups, position, group))


class Mode:
    """Whose time runs, and what it is taken from. The defaults are those of a clock without banks."""

    has_increment = False
    """Whether `increment_ms` has a meaning."""
    has_banks = False
    """Whether participants (or their groups) own time that can be adjusted."""
    is_common = False
    """Whether one clock serves the whole session, whoever is active."""

    def left_ms(self, state: State) -> Duration | None:
        """Time left on the running clock at the start of the running stretch; None when nothing drains."""
        raise NotImplementedError

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        """Time left for one participant, at rest, when it is not the active one."""
        raise NotImplementedError

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        """Time left for every participant in order, at rest."""
        return [self.seat_left_ms(state, position) for position in range(len(state.participants))]

    def charge(self, state: State, stretch_ms: Duration, increment_ms: Duration, cycles: int) -> Banks:
        """The banks after a stretch of the active participant, an increment for it, and so many cycles that it has
        finished."""
        active = state.active_participant
        if active is None:
            return state.participants, state.groups
        used = replace(active, time_used_ms=active.time_used_ms + stretch_ms, cycle_count=active.cycle_count + cycles)
        return with_item(state.participants, state.active, used), state.groups

    def with_bank(self, state: State, position: int, total_ms: Duration) -> State:
        """Set the bank that a participant draws on; time above 0 makes an expired clock run again."""
        return state

    def expire(self, state: State) -> State:
        """Mark the owner of the running clock as expired."""
        return state

    def clock_expired(self, state: State) -> bool:
        """Whether the running clock has run out and been announced."""
        raise NotImplementedError

    def is_out(self, state: State, position: int) -> bool:
        """Whether the rotation may pass over this participant, because its clock has run out for good."""
        return False

    def is_over(self, state: State) -> bool:
        """Whether no clock is left that could run in another cycle."""
        return False

    def standing(self, state: State) -> list[UUID]:
        """Who has not expired: the candidates for `winner`."""
        return []

    def problems(self, create: Create) -> list[Problem]:
        """What is wrong with a creation in this mode."""
        return []
