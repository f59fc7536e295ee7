"""The interface of a pool: whose bank it is, who shares it, and who is left. Each mode has one (`__init__`).

All methods are pure: they never change `state`, but return a new one.
"""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.controls import Bank, TimeControl
from synckairos.engine.controls.base import Problem
from synckairos.engine.lag import LagAccount
from synckairos.engine.state import Group, Participant, State
from synckairos.engine.units import Duration

T = TypeVar("T")

Banks = tuple[tuple[Participant, ...], tuple[Group, ...]]
"""The participants and the groups of a state, with what is left to each."""


class Stretch(Struct, frozen=True):
    """A stretch of the active participant that has ended."""

    bank: Bank | None
    """The bank that it leaves; None when nothing drains."""
    used_ms: Duration
    """The length of the stretch."""
    cycles: int = 0
    """Number of cycles that were finished in it."""
    gained_ms: Duration = 0
    """The time that the other clocks gain (hourglass)."""
    lag: LagAccount | None = None
    """The lag account of the participant after it; None when that has not changed."""


def with_item(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    """Return the tuple with one item replaced."""
    changed = list(items)
    changed[position] = item
    return tuple(changed)


def with_participant(state: State, position: int, participant: Participant) -> State:
    """Return the state with one participant replaced."""
    return replace(state, participants=with_item(state.participants, position, participant))


class Pool:
    """The banks of a session. The defaults are those of a clock that belongs to no participant."""

    has_banks = False
    """True if participants or their groups have banks of their own."""
    is_shared = False
    """True if several participants may draw on one bank."""
    is_common = False
    """True if the whole session has one clock, whichever participant is active."""

    def control(self, state: State, position: int) -> TimeControl:
        """Return the time control of a participant's clock."""
        return state.config.control

    def bank(self, state: State, position: int) -> Bank | None:
        """Return the bank of a participant's clock at the start of the running stretch; None when nothing drains."""
        raise NotImplementedError

    def seats_left_ms(self, state: State) -> list[Duration | None]:
        """Return the time left of every participant in order, as if none were active."""
        banks = [self.bank(state, position) for position in range(len(state.participants))]
        return [None if bank is None else bank.left_ms for bank in banks]

    def charge(self, state: State, stretch: Stretch) -> Banks:
        """Return the banks after a stretch of the active participant."""
        active = state.active_participant
        if active is None:
            return state.participants, state.groups
        used = replace(
            active,
            time_used_ms=active.time_used_ms + stretch.used_ms,
            cycle_count=active.cycle_count + stretch.cycles,
        )
        return with_item(state.participants, state.active, used), state.groups

    def with_bank(self, state: State, position: int, bank: Bank) -> State:
        """Set the bank that a participant draws on; with time above 0 an expired clock runs again."""
        raise NotImplementedError

    def restored(self, state: State, position: int, participant: Participant, gained_ms: Duration) -> State:
        """Return the state with a participant, and the bank that it shares, as they were before its last turn ended.

        The other clock loses again the `gained_ms` that it had gained.
        """
        return with_participant(state, position, participant)

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

    def shares_clock(self, state: State, one: int, other: int) -> bool:
        """Return true if two participants draw on one bank."""
        return one == other

    def problems(self, create: Create) -> list[Problem]:
        """Return the rules of this pool that a creation breaks."""
        return []

    def unsuitable(self, control: TimeControl) -> str | None:
        """Return the message for a time control that has no meaning in this pool; None for other controls."""
        return "Each clock of this mode is common: it has no time control."
