"""The members of a group share one bank (team quizzes, party debates)."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from msgspec.structs import replace

from synckairos.engine.commands import Create
from synckairos.engine.controls import MAIN, Bank, TimeControl
from synckairos.engine.controls.base import Problem
from synckairos.engine.pools.base import Banks, Pool, Stretch, with_item
from synckairos.engine.state import NOBODY, Group, Participant, State
from synckairos.engine.units import Duration


class GroupPool(Pool):
    """Banks of groups: `groups[].total_time_ms`, copied to their members for clients."""

    has_banks = True
    is_shared = True

    def control(self, state: State, position: int) -> TimeControl:
        group = _group_of(state, position)
        return state.config.control if group is None else group.time_control or state.config.control

    def bank(self, state: State, position: int) -> Bank | None:
        group = _group_of(state, position)
        return None if group is None else Bank(group.total_time_ms, group.progress or MAIN)

    def charge(self, state: State, stretch: Stretch) -> Banks:
        group, bank = _group_of(state, state.active), stretch.bank
        if group is not None and bank is not None:
            state = _with_group(state, replace(group, total_time_ms=bank.left_ms, progress=bank.kept_progress))
            if stretch.gained_ms:
                state = _others_gain(state, group.group_id, stretch.gained_ms)
        participants, groups = super().charge(state, stretch)
        if stretch.lag is not None:
            participants = with_item(participants, state.active, replace(participants[state.active], lag=stretch.lag))
        return participants, groups

    def with_bank(self, state: State, position: int, bank: Bank) -> State:
        group = _group_of(state, position)
        if group is None:
            return state
        expired = group.has_expired and bank.left_ms == 0
        changed = replace(group, total_time_ms=bank.left_ms, progress=bank.kept_progress, has_expired=expired)
        return _with_group(state, changed)

    def restored(self, state: State, position: int, participant: Participant, gained_ms: Duration) -> State:
        state = super().restored(state, position, participant, gained_ms)
        group = _group_of(state, position)
        if group is None:
            return state
        before = replace(
            group,
            total_time_ms=participant.total_time_ms,
            progress=participant.progress,
            has_expired=participant.has_expired,
        )
        state = _with_group(state, before)
        return _others_gain(state, group.group_id, -gained_ms) if gained_ms else state

    def expire(self, state: State) -> State:
        group = _group_of(state, state.active)
        return state if group is None else _with_group(state, replace(group, has_expired=True))

    def clock_expired(self, state: State) -> bool:
        group = _group_of(state, state.active)
        if group is None or not group.has_expired:
            return False
        return state.cycle.has_expired or not self._renews(state, group)

    def is_out(self, state: State, position: int) -> bool:
        group = _group_of(state, position)
        return group is not None and group.has_expired and not self._renews(state, group)

    def is_over(self, state: State) -> bool:
        return all(self.is_out(state, position) for position in range(len(state.participants)))

    def not_expired(self, state: State) -> list[UUID]:
        manned = {participant.group_id for participant in state.participants}
        return [g.group_id for g in state.groups if not g.has_expired and g.group_id in manned]

    def shares_clock(self, state: State, one: int, other: int) -> bool:
        return one == other or state.participants[one].group_id == state.participants[other].group_id

    def problems(self, create: Create) -> list[Problem]:
        problems: list[Problem] = [
            (f"participants.{position}.group_id", "This field is required in per_group mode.")
            for position, seat in enumerate(create.participants)
            if seat.group_id is None
        ]
        if create.groups:
            return problems + _unknown_groups(create)
        return problems + _uneven_members(create)

    def unsuitable(self, control: TimeControl) -> str | None:
        return None

    def _renews(self, state: State, group: Group) -> bool:
        return (group.time_control or state.config.control).renews_after_expiry(group.progress or MAIN)


def _group_of(state: State, position: int) -> Group | None:
    if position == NOBODY:
        return None
    group = state.group_position_of(state.participants[position])
    return None if group == NOBODY else state.groups[group]


def _with_group(state: State, group: Group) -> State:
    """Return the state with the group replaced, and its bank and flag copied to its members."""
    position = next(i for i, g in enumerate(state.groups) if g.group_id == group.group_id)
    members = tuple(
        replace(p, total_time_ms=group.total_time_ms, has_expired=group.has_expired, progress=group.progress)
        if p.group_id == group.group_id
        else p
        for p in state.participants
    )
    return replace(state, groups=with_item(state.groups, position, group), participants=members)


def _others_gain(state: State, group_id: UUID, gained_ms: Duration) -> State:
    for group in state.groups:
        if group.group_id != group_id:
            state = _with_group(state, replace(group, total_time_ms=group.total_time_ms + gained_ms))
    return state


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
    banks: dict[UUID, Duration | None] = {}
    problems: list[Problem] = []
    for position, seat in enumerate(create.participants):
        if seat.group_id is None:
            continue
        common = banks.setdefault(seat.group_id, seat.total_time_ms)
        if seat.total_time_ms != common:
            message = "Members of a group must have the same total_time_ms when groups is not given."
            problems.append((f"participants.{position}.total_time_ms", message))
    return problems
