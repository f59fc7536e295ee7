"""The end of a turn: what it leaves on its clock, and the switch to the next."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.clock import Clock, clock_of
from synckairos.engine.controls import MAIN, Bank, Progress
from synckairos.engine.lag import Lag, compensate
from synckairos.engine.pools import pool_of
from synckairos.engine.refusals import NoSuchParticipant, NotActive, NotTheirTurn
from synckairos.engine.rotation import next_position
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration, Instant

Outcome: TypeAlias = (
    tuple[Duration]
    | tuple[Duration, Duration]
    | tuple[Duration, Duration, int, Progress | None, Duration, int, Lag | None]
)
"""The fields of `cycle.switched` from `turn_ms` on; those at the end may be left out."""


def outcome(state: State, clock: Clock | None, now: Instant, lag: Lag | None = None) -> Outcome:
    """Return what the end of the running turn at `now` leaves on its clock."""
    stretch_ms = state.stretch_ms(now)
    turn_ms = state.cycle.elapsed_ms + stretch_ms
    if clock is None:
        return (turn_ms,)
    granted_ms = 0 if lag is None else lag.granted_ms
    left_ms = clock.left_ms(stretch_ms - granted_ms)
    if not clock.pool.has_banks:
        return (turn_ms, left_ms)
    control, bank = clock.control, Bank(left_ms, clock.bank.progress)
    earned_ms = 0
    if not clock.pool.clock_expired(state):
        bank = control.earned(bank, turn_ms - granted_ms)
        if bank.left_ms > left_ms:
            earned_ms = bank.left_ms - left_ms
        bank = control.renewed(bank)
    elif control.renews_after_expiry(bank.progress):
        bank = control.renewed(bank)
    progress = bank.kept_progress
    gained_ms = clock.gained_ms(stretch_ms - granted_ms) if control.others_gain else 0
    points = control.penalty_points(bank) if control.has_phases else 0
    return (turn_ms, bank.left_ms, earned_ms, progress, gained_ms, points, lag)


def interrupted(state: State, clock: Clock | None, now: Instant) -> tuple[Duration | None, Progress | None]:
    """Return the bank of the active participant when its turn ends unfinished: the time left, and the progress."""
    if clock is None or not clock.pool.has_banks or state.active == NOBODY:
        return None, None
    bank = Bank(clock.left_ms(state.stretch_ms(now)), clock.bank.progress)
    if not clock.pool.clock_expired(state) or clock.control.renews_after_expiry(bank.progress):
        bank = clock.control.renewed(bank)
    return bank.left_ms, None if bank.progress == MAIN else bank.progress


def lag_of(state: State, command: cmd.Switch, now: Instant) -> Lag | None:
    """Return the lag of the turn that a switch ends; None unless the session compensates lag.

    No more is granted than the server has measured itself, and nothing when it could not measure.
    """
    active = state.active_participant
    if active is None or active.lag is None or pool_of(state).clock_expired(state):
        return None
    stretch_ms = state.stretch_ms(now)
    limit_ms = min(stretch_ms, command.measured_ms or 0)
    turn_ms = state.cycle.elapsed_ms + stretch_ms
    return compensate(active.lag, turn_ms, command.think_ms, command.measured_ms, limit_ms=limit_ms)


def comes_too_late(state: State, command: cmd.Switch, now: Instant) -> bool:
    """Return true for a switch within the grace of an expiry that even with its lag came after the end of the clock."""
    clock = clock_of(state)
    if clock is None or clock.pool.clock_expired(state) or not _is_last_phase(clock):
        return False
    lag = lag_of(state, command, now)
    # A clock of nothing but a delay has no time left from the beginning.
    return lag is not None and state.stretch_ms(now) - lag.granted_ms >= clock.lead_in_ms + clock.bank.left_ms


def _is_last_phase(clock: Clock) -> bool:
    return not clock.control.has_phases or clock.control.after_end(clock.bank.progress) is None


def switch(state: State, command: cmd.Switch, now: Instant, clock: Clock | None) -> ev.Event:
    """Return the event of a switch on a settled state, whose clock is given."""
    active = state.active_participant
    active_id = None if active is None else active.participant_id
    claimed, wanted = command.current_participant_id, command.next_participant_id
    if claimed is not None and claimed != active_id:
        if state.position_of(claimed) == NOBODY:
            raise NoSuchParticipant(claimed)
        raise NotActive(claimed, active_id)
    if command.by is not None and active_id not in command.by:
        raise NotTheirTurn(active_id)
    numbers = state.sequence + 1, state.version + 1
    if wanted is not None:
        if state.position_of(wanted) == NOBODY:
            raise NoSuchParticipant(wanted)
        following: UUID | None = wanted
    else:
        position = next_position(state)
        if position is None and state.participants:
            return ev.SessionExpired(*numbers, now, None)
        following = None if position is None else state.participants[position].participant_id
    if command.by is not None and _would_stay(state, command, following):
        raise NotTheirTurn(active_id)
    lag = lag_of(state, command, now) if state.config.compensates_lag else None
    return ev.CycleSwitched(*numbers, now, active_id, following, False, *outcome(state, clock, now, lag))


def _would_stay(state: State, command: cmd.Switch, following: UUID | None) -> bool:
    """Return true for a switch in a person's name that keeps the turn with that person.

    The next participant is one of the person's own (when named, or when the end of a turn gives time), or is named and
    shares the clock, so that two members of a group could gain time by switching to each other.
    """
    pool = pool_of(state)
    earns = pool.has_banks and pool.control(state, state.active).rewards_turns
    if command.next_participant_id is None:
        return earns and following in (command.by or ())
    named = state.position_of(command.next_participant_id)
    return following in (command.by or ()) or (earns and pool.shares_clock(state, named, state.active))
