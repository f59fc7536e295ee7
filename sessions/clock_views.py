"""The clocks of participants and groups as clients see them (docs/clock.md)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sessions.schemas import ClockView, GroupView, LagView, ParticipantView
from synckairos.engine import Reading, seats_left_ms
from synckairos.engine.controls import MAIN, Bank, Progress, TimeControl
from synckairos.engine.controls.stages import Stages
from synckairos.engine.pools import pool_of
from synckairos.engine.state import Config, Group, Participant, State
from synckairos.engine.units import Duration
from synckairos.instants import as_iso


def participants(state: State, reading: Reading) -> list[ParticipantView]:
    """Return the participants of a state, whose clock has been read, in order."""
    active, stretch_ms = state.active, reading.stretch_ms
    left = seats_left_ms(state, stretch_ms, reading.clock)
    shown = [
        ParticipantView(
            participant_id=p.participant_id,
            participant_index=p.participant_index,
            total_time_ms=p.total_time_ms,
            time_used_ms=p.time_used_ms + stretch_ms if position == active else p.time_used_ms,
            time_remaining_ms=left_ms,
            cycle_count=p.cycle_count,
            is_active=position == active,
            has_expired=p.has_expired,
            group_id=p.group_id or UNSET,
            user_id=p.user_id or UNSET,
        )
        for position, (p, left_ms) in enumerate(zip(state.participants, left, strict=True))
    ]
    _show_running(shown, state, reading)
    if state.config.compensates_lag:
        _show_lag(shown, state)
    if state.config.time_control is not None or _has_own_controls(state):
        _show_phases(shown, state)
    return shown


def groups(state: State, reading: Reading, members: list[ParticipantView]) -> list[GroupView]:
    """Return the groups of a state, whose clock has been read and whose participants are given as shown."""
    if not state.groups:
        return []
    shown = [
        GroupView(
            group_id=group.group_id,
            total_time_ms=group.total_time_ms,
            time_remaining_ms=group.total_time_ms,
            has_expired=group.has_expired,
            time_control=group.time_control or UNSET,
        )
        for group in state.groups
    ]
    if not pool_of(state).is_shared:
        return shown  # their banks are no clocks
    by_id = {member.group_id: member for member in members}
    for group, view in zip(state.groups, shown, strict=True):
        member = by_id.get(group.group_id)
        if member is None:
            _show_gain(view, reading)
        else:
            view.time_remaining_ms, view.deadline_at = member.time_remaining_ms, member.deadline_at
            view.drains_from, view.gains_from = member.drains_from, member.gains_from
        control = group.time_control or state.config.control
        if _is_given(control, state.config):
            _show_progress(view, control, group.progress or MAIN, view.time_remaining_ms)
    return shown


def _show_gain(view: GroupView, reading: Reading) -> None:
    """Show what an hourglass gives to a group without participants."""
    clock = reading.clock
    if clock is None or not clock.control.others_gain:
        return
    view.time_remaining_ms = view.total_time_ms + clock.gained_ms(reading.stretch_ms)
    if reading.drains_from_ms is not None and reading.deadline_ms is not None:
        view.gains_from, view.deadline_at = as_iso(reading.drains_from_ms), as_iso(reading.deadline_ms)


def _is_given(control: TimeControl, config: Config) -> bool:
    """Return true for a time control that the creation names, and not a mode or an increment."""
    return config.time_control is not None or control is not config.control


def _has_own_controls(state: State) -> bool:
    owners: Sequence[Group | Participant] = state.groups if pool_of(state).is_shared else state.participants
    return any(owner.time_control is not None for owner in owners)


def _show_phases(shown: list[ParticipantView], state: State) -> None:
    pool = pool_of(state)
    for position, view in enumerate(shown):
        control = pool.control(state, position)
        if _is_given(control, state.config):
            p = state.participants[position]
            _show_progress(view, control, p.progress or MAIN, view.time_remaining_ms)
            view.time_control = p.time_control or UNSET


def _show_running(shown: list[ParticipantView], state: State, reading: Reading) -> None:
    """Show when the clocks that run began to drain, or to gain, and when they end."""
    clock = reading.clock
    if clock is None or reading.drains_from_ms is None or reading.deadline_ms is None:
        return
    active, drains_from, deadline_at = state.active, as_iso(reading.drains_from_ms), as_iso(reading.deadline_ms)
    gains = clock.control.others_gain
    if not (gains or clock.pool.is_shared or clock.pool.is_common):
        shown[active].drains_from, shown[active].deadline_at = drains_from, deadline_at
        return
    for position, view in enumerate(shown):
        if clock.pool.shares_clock(state, position, active):
            view.drains_from, view.deadline_at = drains_from, deadline_at
        elif gains:
            view.gains_from, view.deadline_at = drains_from, deadline_at


def _show_lag(shown: list[ParticipantView], state: State) -> None:
    for view, p in zip(shown, state.participants, strict=True):
        if p.lag is not None:
            view.lag = LagView(granted_ms=p.lag.granted_ms, uncompensated_ms=p.lag.uncompensated_ms)


def _show_progress(view: ClockView, control: TimeControl, progress: Progress, left_ms: Duration | None) -> None:
    """Show the phase, and the numbers that the control counts."""
    points = control.penalty_points(Bank(left_ms or 0, progress))
    view.phase = progress.phase
    if isinstance(control, Stages):
        view.stage = progress.stage + 1
    if progress.turns:
        view.turns_left = progress.turns
    if progress.periods:
        view.periods_left = progress.periods
    if progress.reserve_ms:
        view.reserve_ms = progress.reserve_ms
    if points:
        view.penalty_points = points
