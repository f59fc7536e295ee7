"""`evolve(state, event)` returns the state after an event. A fold over the events of a session results in its state.

This module contains no rule, only arithmetic: the effect of an event on banks and counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from synckairos.engine import events as ev
from synckairos.engine.clock import clock_of
from synckairos.engine.controls import MAIN, Bank
from synckairos.engine.pools import pool_of
from synckairos.engine.pools.base import Pool, Stretch, with_participant
from synckairos.engine.state import NOBODY, Cycle, Group, LastSwitch, Participant, Revocation, State
from synckairos.engine.units import Duration, Instant, Status, SyncMode

_LEAVES_THE_TURN = (ev.ParticipantWarned, ev.AccessGranted, ev.SessionRestored)
"""Events after which the last switch can still be undone."""


def evolve(state: State | None, event: ev.Event) -> State:
    """Return the state after one event; only `session.created` needs no state before it."""
    if isinstance(event, ev.SessionCreated):
        return _created(event)
    if state is None:
        raise ValueError(f"{event.name} before session.created")
    if isinstance(event, ev.CycleSwitched):
        return _switched(state, event)
    after = _after_event(state, event)
    return replace(
        after,
        version=event.version,
        sequence=event.sequence,
        updated_ms=event.at_ms,
        last_switch=after.last_switch if isinstance(event, _LEAVES_THE_TURN) else None,
    )


def replay(events: Iterable[ev.Event]) -> State | None:
    """Return the state after a whole history; None for an empty one."""
    state = None
    for event in events:
        state = evolve(state, event)
    return state


def _after_event(state: State, event: ev.Event) -> State:  # noqa: C901, PLR0911, PLR0912 - one arm for each event type
    match event:
        case ev.ParticipantWarned():
            done = state.cycle.warnings_done + 1
            return replace(state, cycle=replace(state.cycle, warnings_done=done))
        case ev.ParticipantExpired():
            expired = pool_of(state).expire(state)
            return replace(expired, cycle=replace(expired.cycle, has_expired=True))
        case ev.SessionStarted():
            opened = replace(state, status=Status.RUNNING, started_ms=event.at_ms)
            return _open_cycle(opened, state.opening, replace(state.cycle, number=0, started_ms=event.at_ms))
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
            return _adjusted(state, state.position_of(event.participant_id), event.total_time_ms, event.at_ms)
        case ev.ClockAdjusted():
            position = state.opening if state.status is Status.PENDING else state.active
            return _adjusted(state, position, event.left_ms, event.at_ms)
        case ev.ClockPhaseChanged():
            return _phase_changed(state, event)
        case ev.CycleUndone():
            return _undone(state)
        case ev.CycleAssigned():
            return _assigned(state, event)
        case ev.ParticipantAssigned():
            position = state.position_of(event.participant_id)
            seat = replace(state.participants[position], user_id=event.user_id)
            return with_participant(state, position, seat)
        case ev.AccessRevoked():
            return _revoked(state, event)
        case ev.AccessGranted():
            return state
        case ev.SessionRestored():
            access = replace(state.access, token_epoch=state.access.token_epoch or state.epoch)
            return replace(state, epoch=event.epoch, access=access)
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
    pool, clock, stretch_ms = pool_of(state), clock_of(state), state.stretch_ms(at_ms)
    if clock is None:
        over_ms = 0
        participants, groups = pool.charge(state, Stretch(None, stretch_ms))
    else:
        over_ms = clock.over_ms(stretch_ms)
        bank = Bank(clock.left_ms(stretch_ms), clock.bank.progress)
        participants, groups = pool.charge(state, Stretch(bank, stretch_ms, gained_ms=clock.gained_ms(stretch_ms)))
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
    pool, stretch_ms = pool_of(state), state.stretch_ms(event.at_ms)
    lag = None if event.lag is None else event.lag.account
    bank = _bank_after(state, event, pool, stretch_ms)
    stretch = Stretch(bank, stretch_ms, cycles=1, gained_ms=event.gained_ms, lag=lag)
    participants, groups = pool.charge(state, stretch)
    last = None
    if not event.on_timeout:
        last = LastSwitch(state.active, state.cycle, state.running_ms, state.active_participant, event.gained_ms)
    opened = replace(
        state,
        version=event.version,
        sequence=event.sequence,
        updated_ms=event.at_ms,
        active=_position(state, event.to_participant_id),
        cycle=Cycle(state.cycle.number + 1, event.at_ms),
        participants=participants,
        groups=groups,
        running_ms=state.running_ms + stretch_ms,
        last_switch=last,
    )
    return _without_missed_warnings(opened) if state.config.warning_thresholds_ms else opened


def _bank_after(state: State, event: ev.CycleSwitched, pool: Pool, stretch_ms: Duration) -> Bank | None:
    """Return the bank that a switch leaves: its event says so, unless it is from before time controls."""
    if event.turn_ms is not None:
        return None if event.left_ms is None else Bank(event.left_ms, event.progress or MAIN)
    clock = clock_of(state)
    if clock is None:
        return None
    earns = not event.on_timeout and not pool.clock_expired(state)
    return Bank(clock.left_ms(stretch_ms) + (state.config.increment_ms if earns else 0))


def _open_cycle(state: State, position: int, cycle: Cycle, **changes: Any) -> State:
    opened = replace(state, active=position, cycle=cycle, **changes)
    return _without_missed_warnings(opened) if state.config.warning_thresholds_ms else opened


def _without_missed_warnings(state: State) -> State:
    """Return the state in which a clock that begins below a threshold does not warn for it."""
    clock = clock_of(state)
    if clock is None:
        return state
    missed = sum(1 for threshold in state.config.warning_thresholds_ms if threshold > clock.bank.left_ms)
    return replace(state, cycle=replace(state.cycle, warnings_done=missed))


def _phase_changed(state: State, event: ev.ClockPhaseChanged) -> State:
    overtime_ms = state.cycle.overtime_ms
    state = _charge(state, event.at_ms)
    state = pool_of(state).with_bank(state, state.active, Bank(event.left_ms, event.progress))
    state = replace(state, cycle=replace(state.cycle, started_ms=event.at_ms, overtime_ms=overtime_ms))
    return _without_missed_warnings(state)


def _undone(state: State) -> State:
    last = state.last_switch
    if last is None:
        raise ValueError("cycle.undone without a switch before it")
    if last.participant is not None:
        state = pool_of(state).restored(state, last.active, last.participant, last.gained_ms)
    return replace(state, active=last.active, cycle=last.cycle, running_ms=last.running_ms)


def _assigned(state: State, event: ev.CycleAssigned) -> State:
    position = state.position_of(event.to_participant_id)
    if state.status is Status.PENDING:
        return replace(state, opening=position)
    was_running, charged = state.cycle.started_ms is not None, _charge(state, event.at_ms)
    participants, groups = charged.participants, charged.groups
    if event.left_ms is not None:
        bank = Bank(event.left_ms, event.progress or MAIN)
        participants, groups = pool_of(state).charge(charged, Stretch(bank, 0))
    cycle = Cycle(number=state.cycle.number, started_ms=event.at_ms if was_running else None)
    return _open_cycle(charged, position, cycle, participants=participants, groups=groups)


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
        groups = (*groups, Group(newcomer.group_id, newcomer.total_time_ms, progress=newcomer.progress))
    return replace(state, participants=participants, groups=groups, opening=opening, active=active)


def _adjusted(state: State, position: int, left_ms: Duration, at_ms: Instant) -> State:
    pool, was_running = pool_of(state), state.cycle.started_ms is not None
    ran_out = pool.clock_expired(state)
    state = _charge(state, at_ms)
    bank = pool.bank(state, position)
    if bank is None:
        return state
    state = pool.with_bank(state, position, Bank(left_ms, bank.progress))
    cycle = state.cycle
    if was_running:
        cycle = replace(cycle, started_ms=at_ms)
    # The overtime of a clock that has not expired is that of the grace of lag.
    if (ran_out or cycle.overtime_ms) and not pool.clock_expired(state):
        clock = clock_of(state)
        if clock is not None and clock.bank.left_ms:
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
