"""Deadlines: the next one of a session, and the transitions of those that are due, each at its own instant."""

from __future__ import annotations

from enum import Enum
from uuid import UUID

from msgspec import Struct

from synckairos.engine import events as ev
from synckairos.engine.evolve import evolve
from synckairos.engine.modes import mode_of
from synckairos.engine.rotation import has_no_clock_left, next_position
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Json, Status, TimeoutAction


class DeadlineKind(Enum):
    START = "start"
    WARNING = "warning"
    EXPIRY = "expiry"


class Deadline(Struct, frozen=True):
    """An instant at which the engine acts without a command."""

    at_ms: Instant
    kind: DeadlineKind


def next_deadline(state: State) -> Deadline | None:
    """Return the next deadline of a session, or None."""
    if state.status is Status.PENDING and state.config.start_at_ms is not None:
        return Deadline(max(state.config.start_at_ms, state.created_ms), DeadlineKind.START)
    started_ms, mode = state.cycle.started_ms, mode_of(state)
    if state.status is not Status.RUNNING or started_ms is None:
        return None
    left_ms = mode.left_ms(state)
    if left_ms is None or mode.clock_expired(state):
        return None
    expires_ms = started_ms + left_ms
    thresholds = state.config.warning_thresholds_ms
    if state.cycle.warnings_done < len(thresholds):
        threshold_ms = thresholds[state.cycle.warnings_done]
        # An adjustment may have taken the clock past a threshold, to its end even: then the warning is due at once.
        warned_ms = max(expires_ms - threshold_ms, state.updated_ms)
        if threshold_ms and warned_ms <= expires_ms:
            return Deadline(warned_ms, DeadlineKind.WARNING)
    return Deadline(expires_ms, DeadlineKind.EXPIRY)


def settle(state: State, now: Instant, *, limit: int) -> tuple[State, list[ev.Event], Deadline | None]:
    """Apply every deadline up to and including `now`, in order, each at its own instant.

    Returns the state, the events and the next deadline. At most `limit` transitions are applied: a session that was not
    read for a day may have tens of thousands due, which the caller commits in portions. Then the next one is due too.
    """
    happened: list[ev.Event] = []
    following = next_deadline(state)
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
    if due.kind is DeadlineKind.EXPIRY:
        return _expire(state, version, at_ms)
    make = started if due.kind is DeadlineKind.START else _warned
    event = make(state, version, at_ms)
    return evolve(state, event), [event]


def started(state: State, version: int, at_ms: Instant) -> ev.SessionStarted:
    """Return the event of a start, by command or by schedule."""
    opener = state.participants[state.opening].participant_id if state.participants else None
    return ev.SessionStarted(state.sequence + 1, version, at_ms, opener)


def _warned(state: State, version: int, at_ms: Instant) -> ev.ParticipantWarned:
    active = state.active_participant
    return ev.ParticipantWarned(
        state.sequence + 1,
        version,
        at_ms,
        None if active is None else active.participant_id,
        state.config.warning_thresholds_ms[state.cycle.warnings_done],
        _left(state, at_ms),
    )


def _left(state: State, at_ms: Instant) -> Duration:
    return max(0, (mode_of(state).left_ms(state) or 0) - state.stretch_ms(at_ms))


def _expire(state: State, version: int, at_ms: Instant) -> tuple[State, list[ev.Event]]:
    active = state.active_participant
    after = mode_of(state).expire(state)
    expired = ev.ParticipantExpired(
        state.sequence + 1,
        version,
        at_ms,
        None if active is None else active.participant_id,
        None if active is None else active.group_id,
        _action_applied(after),
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
        on_timeout=True,
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
    candidates = mode_of(state).not_expired(state)
    return candidates[0] if len(candidates) == 1 else None
