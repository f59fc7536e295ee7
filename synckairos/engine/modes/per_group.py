"""The members of a group share one bank (team quizzes, party debates)."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.modes.base import Banks, Mode, Problem, with_group
from synckairos.engine.state import NOBODY, Group, State
from synckairos.engine.units import Duration


class PerGroup(Mode):
    has_increment = True
    has_banks = True

    def left_ms(self, state: State) -> Duration | None:
        group = self._group(state, state.active)
        return None if group is None else group.total_time_ms

    def seat_left_ms(self, state: State, position: int) -> Duration | None:
        group = self._group(state, position)
        return None if group is None else group.total_time_ms

    def charge(self, state: State, stretch_ms: Duration, increment_ms: Duration, cycles: int) -> Banks:
        group = self._group(state, state.active)
        if group is not None:
            left_ms = max(0, group.total_time_ms - stretch_ms) + increment_ms
            state = self._with_members(state, replace(group, total_time_ms=left_ms))
        return super().charge(state, stretch_ms, increment_ms, cycles)

    def with_bank(self, state: State, position: int, total_ms: Duration) -> State:
        group = self._group(state, position)
        if group is None:
            return state
        changed = replace(group, total_time_ms=total_ms, has_expired=group.has_expired and total_ms == 0)
        return self._with_members(state, changed)

    def expire(self, state: State) -> State:
        group = self._group(state, state.active)
        return state if group is None else self._with_members(state, replace(group, has_expired=True))

    def clock_expired(self, state: State) -> bool:
        return state.active != NOBODY and self.is_out(state, state.active)

    def is_out(self, state: State, position: int) -> bool:
        group = self._group(state, position)
        return group is not None and group.has_expired

    def is_over(self, state: State) -> bool:
        return all(self.is_out(state, position) for position in range(len(state.participants)))

    def not_expired(self, state: State) -> list[UUID]:
        manned = {participant.group_id for participant in state.participants}
        return [g.group_id for g in state.groups if not g.has_expired and g.group_id in manned]

    def problems(self, create: Create) -> list[Problem]:
        problems: list[Problem] = [
            (f"participants.{position}.group_id", "This field is required in per_group mode.")
            for position, seat in enumerate(create.participants)
            if seat.group_id is None
        ]
        if create.groups:
            return problems + _unknown_groups(create)
        return problems + _uneven_members(create)

    def _group(self, state: State, position: int) -> Group | None:
        if position == NOBODY:
            return None
        group = state.group_position_of(state.participants[position])
        return None if group == NOBODY else state.groups[group]

    def _with_members(self, state: State, group: Group) -> State:
        """Return the state with the group replaced; its bank and flag are copied to its members, for clients."""
        position = next(i for i, g in enumerate(state.groups) if g.group_id == group.group_id)
        members = tuple(
            replace(p, total_time_ms=group.total_time_ms, has_expired=group.has_expired)
            if p.group_id == group.group_id
            else p
            for p in state.participants
        )
        return replace(with_group(state, position, group), participants=members)


def _unknown_groups(create: Create) -> list[Problem]:
    problems: list[Problem] = []
    counts = Counter(group.group_id for group in create.groups)
    for position, group in enumerate(create.groups):
        if counts[group.group_id] > 1:
            problems.append((f"groups.{position}.group_id", "Duplicate group_id."))
    for position, seat in enumerate(create.participants):
        if seat.group_id is not None and seat.group_id not in counts:
            problems.append((f"participants.{position}.group_id", "Not one of groups."))
    return problems


def _uneven_members(create: Create) -> list[Problem]:
    banks: dict[UUID, Duration] = {}
    problems: list[Problem] = []
    for position, seat in enumerate(create.participants):
        if seat.group_id is None:
            continue
        common = banks.setdefault(seat.group_id, seat.total_time_ms)
        if seat.total_time_ms != common:
            message = "Members of a group must have the same total_time_ms when groups is not given."
            problems.append((f"participants.{position}.total_time_ms", message))
    return problems
