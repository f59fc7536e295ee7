"""`decide(state, command, now)` returns the new state and its events, or raises a refusal.

Deadlines that are due are applied first, then the command, then the deadlines that the command made due at the same
instant (of a clock with no time left, for example).
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.deadlines import Deadline, settle, started
from synckairos.engine.evolve import evolve
from synckairos.engine.modes import mode_of
from synckairos.engine.refusals import (
    NoSuchParticipant,
    NotActive,
    NotTheirTurn,
    PreconditionFailed,
    Problems,
    Unsettled,
    VersionMismatch,
    WrongStatus,
)
from synckairos.engine.rotation import next_position
from synckairos.engine.state import NOBODY, Participant, State
from synckairos.engine.units import Duration, Instant, Status, SyncMode

MAX_PARTICIPANTS = 1000
MAX_TIME_MS: Duration = 86_400_000
MAX_REVOKED = 200
"""Largest number of session tokens that a state keeps as revoked one by one."""
SETTLE_LIMIT = 256
"""Largest number of transitions that one decision applies before its command."""


class Decision(Struct, frozen=True):
    """The result of a command, or of time alone, on a state. Without events nothing has changed."""

    before: State
    state: State
    events: tuple[ev.Event, ...]
    deadline: Deadline | None
    """The next deadline of the new state."""
    due: int = 0
    """Number of events, from the first, that deadlines caused before the command."""
    late: int = 0
    """Number of events, up to the last, that deadlines caused after the command at its instant."""
    expired_on_switch: UUID | None = None
    """The participant whose own clock had expired when the command, a switch, ended its cycle."""

    @property
    def expired(self) -> ev.ParticipantExpired | None:
        """Return the last expiry among the events."""
        for event in reversed(self.events):
            if isinstance(event, ev.ParticipantExpired):
                return event
        return None


def observe(state: State, now: Instant, *, limit: int = SETTLE_LIMIT) -> Decision:
    """Return the decision of time alone: the deadlines that are due at `now` are applied."""
    settled, events, following = settle(state, max(now, state.updated_ms), limit=limit)
    return Decision(state, settled, tuple(events), following, due=len(events))


def decide(state: State, command: cmd.Command, now: Instant, *, accepted: frozenset[int] | None = None) -> Decision:
    """Apply a command at an instant. Raises a Refusal when the state, without due deadlines, does not allow it.

    `accepted` are the versions of the settled state at which the command may be applied; None for any.
    Raises Unsettled when more than SETTLE_LIMIT transitions are due: they have to be committed by `observe` first.
    """
    now = max(now, state.updated_ms)
    settled, due, following = settle(state, now, limit=SETTLE_LIMIT)
    if following is not None and following.at_ms <= now:
        raise Unsettled
    if accepted is not None and settled.version not in accepted:
        raise PreconditionFailed(accepted, settled.version)
    event = _event_of(settled, command, now)
    if event is None:
        return Decision(state, settled, tuple(due), following, len(due))
    after, late, following = settle(evolve(settled, event), now, limit=SETTLE_LIMIT)
    events = (*due, event, *late) if due or late else (event,)
    return Decision(state, after, events, following, len(due), len(late), _expired_on_switch(settled, event))


def _expired_on_switch(state: State, event: ev.Event) -> UUID | None:
    mode = mode_of(state)
    if not isinstance(event, ev.CycleSwitched) or mode.is_common or not mode.clock_expired(state):
        return None
    return event.from_participant_id


def _event_of(state: State, command: cmd.Command, now: Instant) -> ev.Event | None:
    """Return the event of the command itself, on a settled state; None when it changes nothing."""
    expected = command.expected_version
    if expected is not None and expected != state.version:
        raise VersionMismatch(expected, state.version)
    verb, allowed = _ALLOWED[type(command)]
    if state.status not in allowed:
        raise WrongStatus(verb, state.status, allowed)
    return _EVENT_OF[type(command)](state, command, now)


_LIVE = frozenset({Status.PENDING, Status.RUNNING, Status.PAUSED})

_ALLOWED: dict[type[cmd.Command], tuple[str, frozenset[Status]]] = {
    cmd.Start: ("start", frozenset({Status.PENDING})),
    cmd.Pause: ("pause", frozenset({Status.RUNNING})),
    cmd.Resume: ("resume", frozenset({Status.PAUSED})),
    cmd.Switch: ("switch", frozenset({Status.RUNNING})),
    cmd.Complete: ("complete", _LIVE),
    cmd.Cancel: ("cancel", _LIVE),
    cmd.AddParticipant: ("add a participant to", _LIVE),
    cmd.AdjustTime: ("adjust time in", _LIVE),
    cmd.Delete: ("delete", frozenset(Status)),
    cmd.AssignSeat: ("assign a seat in", frozenset(Status)),
    cmd.RevokeAccess: ("revoke access to", frozenset(Status)),
}


def _switch(state: State, command: cmd.Switch, now: Instant) -> ev.Event:
    active = state.active_participant
    active_id = None if active is None else active.participant_id
    claimed, wanted = command.current_participant_id, command.next_participant_id
    if claimed is not None and claimed != active_id:
        if state.position_of(claimed) == NOBODY:
            raise NoSuchParticipant(claimed)
        raise NotActive(claimed, active_id)
    if command.by is not None and active_id not in command.by:
        raise NotTheirTurn(active_id)
    if wanted is not None:
        if state.position_of(wanted) == NOBODY:
            raise NoSuchParticipant(wanted)
        following: UUID | None = wanted
    else:
        position = next_position(state)
        if position is None and state.participants:
            return ev.SessionExpired(*_next_numbers(state), now, None)
        following = None if position is None else state.participants[position].participant_id
    if command.by is not None and _would_stay(state, command, following):
        raise NotTheirTurn(active_id)
    return ev.CycleSwitched(*_next_numbers(state), now, active_id, following)


def _would_stay(state: State, command: cmd.Switch, following: UUID | None) -> bool:
    """Return true for a switch in a person's name that keeps the turn with that person.

    The next participant is one of the person's own (when named, or when the cycle earns an increment), or is named and
    shares the clock, so that two members of a group could earn increments by switching to each other.
    """
    earns = state.config.increment_ms > 0
    if command.next_participant_id is None:
        return earns and following in (command.by or ())
    named = state.position_of(command.next_participant_id)
    return following in (command.by or ()) or (earns and shares_clock(state, named, state.active))


def _add(state: State, command: cmd.AddParticipant, now: Instant) -> ev.Event:
    seat = command.seat
    problems: list[tuple[str, str]] = []
    taken = {p.participant_index for p in state.participants}
    if len(state.participants) >= MAX_PARTICIPANTS:
        problems.append(("participant_id", f"A session has at most {MAX_PARTICIPANTS} participants."))
    if state.position_of(seat.participant_id) != NOBODY:
        problems.append(("participant_id", "Duplicate participant_id."))
    if seat.participant_index in taken:
        problems.append(("participant_index", "Duplicate participant_index."))
    if state.config.sync_mode is SyncMode.PER_GROUP and seat.group_id is None:
        problems.append(("group_id", "This field is required in per_group mode."))
    if problems:
        raise Problems(problems)
    index = seat.participant_index
    newcomer = Participant(
        participant_id=seat.participant_id,
        participant_index=max(taken, default=-1) + 1 if index is None else index,
        total_time_ms=seat.total_time_ms,
        group_id=seat.group_id,
        user_id=seat.user_id,
    )
    return ev.ParticipantAdded(*_next_numbers(state), now, _as_member(state, newcomer))


def _as_member(state: State, newcomer: Participant) -> Participant:
    """Return a new participant with the bank of its group, if the group exists."""
    if state.config.sync_mode is not SyncMode.PER_GROUP:
        return newcomer
    position = state.group_position_of(newcomer)
    if position == NOBODY:
        return newcomer
    group = state.groups[position]
    return replace(newcomer, total_time_ms=group.total_time_ms, has_expired=group.has_expired)


def _adjust(state: State, command: cmd.AdjustTime, now: Instant) -> ev.Event:
    position = state.position_of(command.participant_id)
    if position == NOBODY:
        raise NoSuchParticipant(command.participant_id)
    if not mode_of(state).has_banks:
        field = "total_time_ms" if command.total_time_ms is not None else "adjust_ms"
        message = f"Participants own no time in {state.config.sync_mode} mode."
        raise Problems([(field, message)])
    total_ms = command.total_time_ms
    if total_ms is None:
        total_ms = _left_now(state, position, now) + (command.adjust_ms or 0)
    total_ms = min(max(0, total_ms), MAX_TIME_MS)
    return ev.ParticipantAdjusted(*_next_numbers(state), now, command.participant_id, total_ms, command.reason)


def _assign(state: State, command: cmd.AssignSeat, now: Instant) -> ev.Event | None:
    """Return the event of the assignment; None when the seat is already assigned to that person."""
    position = state.position_of(command.participant_id)
    if position == NOBODY:
        raise NoSuchParticipant(command.participant_id)
    if state.participants[position].user_id == command.user_id:
        return None
    return ev.ParticipantAssigned(*_next_numbers(state), now, command.participant_id, command.user_id, command.reason)


def _revoke(state: State, command: cmd.RevokeAccess, now: Instant) -> ev.Event | None:
    """Return the event of the revocation; None when the token is already revoked."""
    revoked = state.access.revoked
    if command.token_id is not None and any(one.token_id == command.token_id for one in revoked):
        return None
    if command.token_id is not None and sum(one.until_ms > now for one in revoked) >= MAX_REVOKED:
        raise Problems([("token_id", f"At most {MAX_REVOKED} are revoked one by one; revoke all of them instead.")])
    return ev.AccessRevoked(*_next_numbers(state), now, command.token_id, now + command.longest_ms)


def _left_now(state: State, position: int, now: Instant) -> Duration:
    """Return the time left in the bank of a participant, less the running stretch."""
    mode = mode_of(state)
    bank_ms = mode.seat_left_ms(state, position) or 0
    if state.active == NOBODY or not shares_clock(state, position, state.active):
        return bank_ms
    return max(0, bank_ms - state.stretch_ms(now))


def shares_clock(state: State, one: int, other: int) -> bool:
    """Return true if two participants draw on one bank."""
    if one == other:
        return True
    if state.config.sync_mode is not SyncMode.PER_GROUP:
        return False
    return state.participants[one].group_id == state.participants[other].group_id


def _next_numbers(state: State) -> tuple[int, int]:
    return state.sequence + 1, state.version + 1


_EVENT_OF: dict[type[cmd.Command], Callable[..., ev.Event | None]] = {
    cmd.Start: lambda state, _, now: started(state, state.version + 1, now),
    cmd.Pause: lambda state, _, now: ev.SessionPaused(*_next_numbers(state), now),
    cmd.Resume: lambda state, _, now: ev.SessionResumed(*_next_numbers(state), now),
    cmd.Complete: lambda state, _, now: ev.SessionCompleted(*_next_numbers(state), now),
    cmd.Cancel: lambda state, _, now: ev.SessionCancelled(*_next_numbers(state), now),
    cmd.Delete: lambda state, _, now: ev.SessionDeleted(*_next_numbers(state), now),
    cmd.Switch: _switch,
    cmd.AddParticipant: _add,
    cmd.AdjustTime: _adjust,
    cmd.AssignSeat: _assign,
    cmd.RevokeAccess: _revoke,
}
