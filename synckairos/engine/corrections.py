"""Corrections by officials: banks and the running clock adjusted, a switch undone, the turn assigned."""

from __future__ import annotations

from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.clock import Clock
from synckairos.engine.pools import pool_of
from synckairos.engine.refusals import NoSuchParticipant, NothingToUndo, Problems
from synckairos.engine.state import NOBODY, State
from synckairos.engine.turns import interrupted
from synckairos.engine.units import MAX_TIME_MS, Duration, Instant, Status


def adjust_bank(state: State, command: cmd.AdjustTime, now: Instant, clock: Clock | None) -> ev.Event:
    """Return the event of the adjustment of a participant's bank."""
    position = state.position_of(command.participant_id)
    if position == NOBODY:
        raise NoSuchParticipant(command.participant_id)
    if not pool_of(state).has_banks:
        field = "total_time_ms" if command.total_time_ms is not None else "adjust_ms"
        message = f"Participants own no time in {state.config.sync_mode} mode."
        raise Problems([(field, message)])
    before_ms, total_ms = _bank_now(state, clock, position, now), command.total_time_ms
    if total_ms is None:
        total_ms = before_ms + (command.adjust_ms or 0)
    numbers = state.sequence + 1, state.version + 1
    return ev.ParticipantAdjusted(*numbers, now, command.participant_id, _bounded(total_ms, before_ms), command.reason)


def adjust_clock(state: State, command: cmd.AdjustClock, now: Instant, clock: Clock | None) -> ev.Event | None:
    """Return the event of the adjustment of the clock that runs, or that runs next; None when it changes nothing."""
    position = state.opening if state.status is Status.PENDING else state.active
    pool = pool_of(state)
    bank = None if position == NOBODY and not pool.is_common else pool.bank(state, position)
    field, wanted_ms = _given(command)
    if bank is None:
        raise Problems([(field, "No clock drains in this session.")])
    before_ms = bank.left_ms if clock is None else clock.left_ms(state.stretch_ms(now))
    if field == "at_least_ms" and before_ms >= wanted_ms:
        return None
    left_ms = _bounded(before_ms + wanted_ms if field == "adjust_ms" else wanted_ms, before_ms)
    owner = None if position == NOBODY else state.participants[position]
    return ev.ClockAdjusted(
        state.sequence + 1,
        state.version + 1,
        now,
        None if owner is None else owner.participant_id,
        None if owner is None else owner.group_id,
        left_ms,
        left_ms - before_ms,
        command.reason,
    )


def undo(state: State, command: cmd.UndoSwitch, now: Instant, clock: Clock | None) -> ev.Event:
    """Return the event that takes the last switch back."""
    last = state.last_switch
    if last is None:
        raise NothingToUndo
    active = state.active_participant
    return ev.CycleUndone(
        state.sequence + 1,
        state.version + 1,
        now,
        None if active is None else active.participant_id,
        None if last.participant is None else last.participant.participant_id,
        command.reason,
    )


def assign_turn(state: State, command: cmd.AssignTurn, now: Instant, clock: Clock | None) -> ev.Event | None:
    """Return the event that gives the turn to a participant; None when it has the turn."""
    position = state.position_of(command.participant_id)
    if position == NOBODY:
        raise NoSuchParticipant(command.participant_id)
    is_pending = state.status is Status.PENDING
    active = state.opening if is_pending else state.active
    if position == active:
        return None
    return ev.CycleAssigned(
        state.sequence + 1,
        state.version + 1,
        now,
        None if active == NOBODY else state.participants[active].participant_id,
        command.participant_id,
        *((None, None) if is_pending else interrupted(state, clock, now)),
        command.reason,
    )


def _given(command: cmd.AdjustClock) -> tuple[str, int]:
    fields = ("adjust_ms", "set_ms", "at_least_ms")
    given = [(field, value) for field in fields if (value := getattr(command, field)) is not None]
    if len(given) != 1:
        raise Problems([("adjust_ms", "Give exactly one of adjust_ms, set_ms and at_least_ms.")])
    return given[0]


def _bank_now(state: State, clock: Clock | None, position: int, now: Instant) -> Duration:
    """Return the time left in the bank of a participant at an instant within the running stretch."""
    pool, stretch_ms = pool_of(state), state.stretch_ms(now)
    if clock is not None and state.active != NOBODY and pool.shares_clock(state, position, state.active):
        return clock.left_ms(stretch_ms)
    bank = pool.bank(state, position)
    if bank is None:
        return 0
    return bank.left_ms + (0 if clock is None else clock.gained_ms(stretch_ms))


def _bounded(left_ms: int, before_ms: Duration) -> Duration:
    # Turns may have left more than the largest time; an adjustment that adds to it takes nothing away.
    return min(max(0, left_ms), max(MAX_TIME_MS, before_ms))
