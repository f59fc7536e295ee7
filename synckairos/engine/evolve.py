"""`evolve(state, event)` returns the state after an event. A fold over the events of a session results in its state.

This module contains no rule, only arithmetic: the effect of an event on banks and counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from synckairos.engine import events as ev
from synckairos.engine.modes import mode_of
from synckairos.engine.modes.base import with_participant
from synckairos.engine.state import NOBODY, Cycle, Group, Participant, Revocation, State
from synckairos.engine.units import Instant, Status, SyncMode


def evolve(state: State | None, event: ev.Event) -> State:
    """Return the state after one event; only `session.created` needs no state before it."""
    if isinstance(event, ev.SessionCreated):
        return _created(event)
    if state is None:
        raise ValueError(f"{event.name} before session.created")
    return replace(
        _after_event(state, event),
        version=event.version,
        sequence=event.sequence,
        updated_ms=event.at_ms,
    )


def replay(events: Iterable[ev.Event]) -> State | None:
    """Return the state after a whole history; None for an empty one."""
    state = None
    for event in events:
        state = evolve(state, event)
    return state


def _after_event(state: State, event: ev.Event) -> State:  # noqa: C901, PLR0911, PLR0912 - one arm for each event type
    match event:
        case ev.CycleSwitched():
            return _switched(state, event)
        case ev.ParticipantWarned():
            done = state.cycle.warnings_done + 1
            return replace(state, cycle=replace(state.cycle, warnings_done=done))
        case ev.ParticipantExpired():
            expired = mode_of(state).expire(state)
            return replace(expired, cycle=replace(expired.cycle, has_expired=True))
        case ev.SessionStarted():
            opened = replace(state, status=Status.RUNNING, started_ms=event.at_ms)
            return _open_cycle(opened, state.opening, number=0, at_ms=event.at_ms)
        case ev.SessionPaused():
            return replace(_charge(state, event.at_ms), status=Status.PAUSED)
        case ev.SessionResumed():
            cycle = replace(state.cycle, started_ms=event.at_ms)
            return replace(state, status=Status.RUNNING, cycle=cycle)
        case ev.SessionCompleted():
            return _ended(state, Status.COMPLETED, event.at_ms)
        case ev.SessionExpired():
            return _ended(state, Status.EXPIRED, event.at_ms)
        case ev.SessionDeleted() if state.status.is_final:
            return state  # how it ended stays true
        case ev.SessionCancelled() | ev.SessionDeleted() | ev.SessionAbandoned():
            return _ended(state, Status.CANCELLED, event.at_ms)
        case ev.ParticipantAdded():
            return _added(state, event.participant)
        case ev.ParticipantAdjusted():
            return _adjusted(state, event)
        case ev.ParticipantAssigned():
            position = state.position_of(event.participant_id)
            seat = replace(state.participants[position], user_id=event.user_id)
            return with_participant(state, position, seat)
        case ev.AccessRevoked():
            return _revoked(state, event)
        case _:
            raise ValueError(f"{event.name} after session.created")


def _created(event: ev.SessionCreated) -> State:
    return State(
        session_id=event.session_id,
        epoch=event.epoch,
        config=event.config,
        version=event.version,
        sequence=event.sequence,
        status=Status.PENDING,
        participants=event.participants,
        groups=event.groups,
        created_ms=event.at_ms,
        updated_ms=event.at_ms,
        opening=event.opening,
        access=event.access,
    )


def _charge(state: State, at_ms: Instant) -> State:
    """End the running stretch at an instant: all of it counts as used, and it drains the clock down to 0."""
    cycle = state.cycle
    if cycle.started_ms is None:
        return state
    mode, stretch_ms = mode_of(state), state.stretch_ms(at_ms)
    left_ms = mode.left_ms(state)
    over_ms = 0 if left_ms is None else max(0, stretch_ms - left_ms)
    participants, groups = mode.charge(state, stretch_ms, 0, 0)
    return replace(
        state,
        participants=participants,
        groups=groups,
        running_ms=state.running_ms + stretch_ms,
        cycle=replace(
            cycle,
            started_ms=None,
            elapsed_ms=cycle.elapsed_ms + stretch_ms,
            overtime_ms=cycle.overtime_ms + over_ms,
        ),
    )


def _switched(state: State, event: ev.CycleSwitched) -> State:
    mode, increment_ms, stretch_ms = mode_of(state), state.config.increment_ms, state.stretch_ms(event.at_ms)
    if increment_ms and (event.on_timeout or mode.clock_expired(state)):
        increment_ms = 0
    participants, groups = mode.charge(state, stretch_ms, increment_ms, 1)
    return _open_cycle(
        state,
        _position(state, event.to_participant_id),
        number=state.cycle.number + 1,
        at_ms=event.at_ms,
        participants=participants,
        groups=groups,
        running_ms=state.running_ms + stretch_ms,
    )


def _open_cycle(state: State, position: int, *, number: int, at_ms: Instant, **changes: Any) -> State:
    opened = replace(state, active=position, cycle=Cycle(number=number, started_ms=at_ms), **changes)
    if not state.config.warning_thresholds_ms:
        return opened
    left_ms = mode_of(opened).left_ms(opened)
    if left_ms is None:
        return opened
    # A cycle that begins below a threshold does not warn for it.
    missed = sum(1 for threshold in state.config.warning_thresholds_ms if threshold > left_ms)
    return replace(opened, cycle=replace(opened.cycle, warnings_done=missed))


def _ended(state: State, status: Status, at_ms: Instant) -> State:
    charged = _charge(state, at_ms)
    return replace(charged, status=status, completed_ms=at_ms, active=NOBODY)


def _added(state: State, newcomer: Participant) -> State:
    seats = sorted((*state.participants, newcomer), key=lambda p: p.participant_index)
    participants = tuple(seats)
    opening, active = (_moved(state.participants, participants, position) for position in (state.opening, state.active))
    if opening == NOBODY:
        opening = 0
    groups = state.groups
    if (
        state.config.sync_mode is SyncMode.PER_GROUP
        and newcomer.group_id is not None
        and state.group_position_of(newcomer) == NOBODY
    ):
        groups = (*groups, Group(newcomer.group_id, newcomer.total_time_ms))
    return replace(state, participants=participants, groups=groups, opening=opening, active=active)


def _adjusted(state: State, event: ev.ParticipantAdjusted) -> State:
    was_running, ran_out = state.cycle.started_ms is not None, mode_of(state).clock_expired(state)
    state = _charge(state, event.at_ms)
    position = state.position_of(event.participant_id)
    state = mode_of(state).with_bank(state, position, event.total_time_ms)
    cycle = state.cycle
    if was_running:
        cycle = replace(cycle, started_ms=event.at_ms)
    if ran_out and not mode_of(state).clock_expired(state):
        cycle = replace(cycle, has_expired=False, overtime_ms=0)
    return replace(state, cycle=cycle)


def _revoked(state: State, event: ev.AccessRevoked) -> State:
    access = state.access
    if event.token_id is None:
        return replace(state, access=replace(access, generation=access.generation + 1, revoked=()))
    still = [revocation for revocation in access.revoked if revocation.until_ms > event.at_ms]
    revoked = (*still, Revocation(event.token_id, event.until_ms))
    return replace(state, access=replace(access, revoked=revoked))


def _position(state: State, participant_id: UUID | None) -> int:
    return NOBODY if participant_id is None else state.position_of(participant_id)


def _moved(before: tuple[Participant, ...], after: tuple[Participant, ...], position: int) -> int:
    return NOBODY if position == NOBODY else after.index(before[position])
