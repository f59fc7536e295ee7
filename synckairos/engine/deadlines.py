"""Deadlines: the next one of a session, and the transitions of those that are due, each at its own instant."""

from __future__ import annotations

from enum import Enum
from uuid import UUID

from msgspec import Struct

from synckairos.engine import events as ev
from synckairos.engine.clock import Clock, clock_of
from synckairos.engine.controls import Bank
from synckairos.engine.evolve import evolve
from synckairos.engine.pools import pool_of
from synckairos.engine.rotation import has_no_clock_left, next_position
from synckairos.engine.state import State
from synckairos.engine.turns import outcome
from synckairos.engine.units import Duration, Instant, Json, Status, TimeoutAction


class DeadlineKind(Enum):
    START = "start"
    WARNING = "warning"
    PHASE = "phase"
    EXPIRY = "expiry"


class Deadline(Struct, frozen=True):
    """An instant at which the engine acts without a command."""

    at_ms: Instant
    kind: DeadlineKind
    clock: Clock | None = None
    """The clock whose end it is, or whose warning."""


def next_deadline(state: State) -> Deadline | None:
    """Return the next deadline of a session, or None."""
    if state.status is Status.PENDING and state.config.start_at_ms is not None:
        return Deadline(max(state.config.start_at_ms, state.created_ms), DeadlineKind.START)
    started_ms = state.cycle.started_ms
    if state.status is not Status.RUNNING or started_ms is None:
        return None
    clock = clock_of(state)
    if clock is None or clock.pool.clock_expired(state):
        return None
    ends_ms = clock.ends_ms(started_ms)
    thresholds = state.config.warning_thresholds_ms
    if state.cycle.warnings_done < len(thresholds):
        threshold_ms = thresholds[state.cycle.warnings_done]
        # An adjustment may have taken the clock past a threshold, to its end even: then the warning is due at once.
        warned_ms = max(ends_ms - threshold_ms, state.updated_ms)
        if threshold_ms and warned_ms <= ends_ms:
            return Deadline(warned_ms, DeadlineKind.WARNING, clock)
    if clock.control.has_phases and clock.control.after_end(clock.bank.progress) is not None:
        return Deadline(ends_ms, DeadlineKind.PHASE, clock)
    if state.config.compensates_lag:
        ends_ms += _grace_ms(state)
    return Deadline(ends_ms, DeadlineKind.EXPIRY, clock)


def _grace_ms(state: State) -> Duration:
    """Return how long an expiry waits for a switch that may be under way."""
    active = state.active_participant
    if active is None or active.lag is None:
        return 0
    return max(0, active.lag.grace_ms - state.cycle.overtime_ms)  # a pause within it does not renew it


def settle(state: State, now: Instant, *, limit: int) -> tuple[State, list[ev.Event], Deadline | None]:
    """Apply every deadline up to and including `now`, in order, each at its own instant.

    Returns the state, the events and the next deadline. At most `limit` transitions are applied: a session that was not
    read for a day may have tens of thousands due, which the caller commits in portions. Then the next one is due too.
    """
    happened: list[ev.Event] = []
    following = next_deadline(state)
    if following is None or following.at_ms > now:
        return state, happened, following
    for _ in range(limit):
        if following is None or following.at_ms > now:
            break
        state, events = _apply(state, following)
        happened += events
        following = next_deadline(state)
    return state, happened, following


def is_due(state: State, now: Instant) -> bool:
    """Return true if `settle` would apply a deadline."""
    due = next_deadline(state)
    return due is not None and due.at_ms <= now


def _apply(state: State, due: Deadline) -> tuple[State, list[ev.Event]]:
    # A deadline never lies before the last transition, whatever the store's clock did in between.
    at_ms = max(due.at_ms, state.updated_ms)
    version = state.version + 1
    clock = due.clock
    if clock is None:
        event: ev.Event = started(state, version, at_ms)
    elif due.kind is DeadlineKind.WARNING:
        event = _warned(state, clock, version, at_ms)
    else:
        bank = _next_phase(clock, state.stretch_ms(at_ms))
        if bank is None:
            return expire(state, at_ms)
        event = _phase_changed(state, bank, version, at_ms)
    return evolve(state, event), [event]


def started(state: State, version: int, at_ms: Instant) -> ev.SessionStarted:
    """Return the event of a start, by command or by schedule."""
    opener = state.participants[state.opening].participant_id if state.participants else None
    return ev.SessionStarted(state.sequence + 1, version, at_ms, opener)


def _next_phase(clock: Clock, stretch_ms: Duration) -> Bank | None:
    """Return the phase in which the clock is at the end of a stretch; None when it was in its last one.

    The stretch may go beyond the end of a phase, when an undone switch gave the time since to this clock. Beyond the
    end of them all nothing is left in the last one, and the clock expires there.
    """
    over_ms, bank = clock.over_ms(stretch_ms), clock.control.after_end(clock.bank.progress)
    if bank is None:
        return None
    while over_ms and over_ms >= bank.left_ms:
        following = clock.control.after_end(bank.progress)
        if following is None:
            return Bank(0, bank.progress)
        over_ms -= bank.left_ms
        bank = following
    return Bank(bank.left_ms - over_ms, bank.progress)


def _phase_changed(state: State, bank: Bank, version: int, at_ms: Instant) -> ev.ClockPhaseChanged:
    active = state.active_participant
    return ev.ClockPhaseChanged(
        state.sequence + 1,
        version,
        at_ms,
        None if active is None else active.participant_id,
        None if active is None else active.group_id,
        bank.left_ms,
        bank.progress,
    )


def _warned(state: State, clock: Clock, version: int, at_ms: Instant) -> ev.ParticipantWarned:
    active = state.active_participant
    return ev.ParticipantWarned(
        state.sequence + 1,
        version,
        at_ms,
        None if active is None else active.participant_id,
        state.config.warning_thresholds_ms[state.cycle.warnings_done],
        clock.left_ms(state.stretch_ms(at_ms)),
    )


def expire(state: State, at_ms: Instant) -> tuple[State, list[ev.Event]]:
    """Return the state after the running clock has expired at an instant, and what followed in one transition."""
    version, clock = state.version + 1, clock_of(state)
    active = state.active_participant
    after = pool_of(state).expire(state)
    expired = ev.ParticipantExpired(
        state.sequence + 1,
        version,
        at_ms,
        None if active is None else active.participant_id,
        None if active is None else active.group_id,
        _action_applied(after),
        0 if clock is None else clock.control.penalty_points(Bank(0, clock.bank.progress)),
    )
    state = evolve(state, expired)
    follow_up = _after_expiry(state, version, at_ms)
    if follow_up is None:
        return state, [expired]
    return evolve(state, follow_up), [expired, follow_up]


def _after_expiry(state: State, version: int, at_ms: Instant) -> ev.Event | None:
    sequence = state.sequence + 1
    if state.config.timeout_action is TimeoutAction.END_SESSION:
        return ev.SessionExpired(sequence, version, at_ms, _winner(state))
    if not state.config.skips_on_timeout:
        return None
    if has_no_clock_left(state):
        return ev.SessionExpired(sequence, version, at_ms, None)
    active, following = state.active_participant, next_position(state)
    return ev.CycleSwitched(
        sequence,
        version,
        at_ms,
        None if active is None else active.participant_id,
        None if following is None else state.participants[following].participant_id,
        True,
        *outcome(state, clock_of(state), at_ms),
    )


def _action_applied(expired: State) -> Json:
    """Return the `action_on_timeout` that clients gave, with the action in force and the winner, if there is one."""
    config = expired.config
    applied: Json = dict(config.action_on_timeout or {})
    applied["type"] = config.timeout_action.value
    if config.timeout_action is TimeoutAction.END_SESSION:
        winner = _winner(expired)
        if winner is not None:
            applied["winner"] = str(winner)
    return applied


def _winner(state: State) -> UUID | None:
    candidates = pool_of(state).not_expired(state)
    return candidates[0] if len(candidates) == 1 else None
