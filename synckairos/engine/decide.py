"""`decide(state, command, now)` returns the new state and its events, or raises a refusal.

Deadlines that are due are applied first, then the command, then the deadlines that the command made due at the same
instant (of a clock with no time left, for example).
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from msgspec import Struct

from synckairos.engine import commands as cmd
from synckairos.engine import events as ev
from synckairos.engine.clock import Clock, clock_of
from synckairos.engine.controls.base import Problem
from synckairos.engine.corrections import adjust_bank, adjust_clock, assign_turn, undo
from synckairos.engine.deadlines import Deadline, expire, settle, started
from synckairos.engine.evolve import evolve
from synckairos.engine.pools import POOLS
from synckairos.engine.refusals import (
    NoSuchParticipant,
    PreconditionFailed,
    Problems,
    Unsettled,
    VersionMismatch,
    WrongStatus,
)
from synckairos.engine.seating import REQUIRED, has_time, participant_of
from synckairos.engine.state import NOBODY, Group, State
from synckairos.engine.turns import comes_too_late, switch
from synckairos.engine.units import Instant, Status, SyncMode

MAX_PARTICIPANTS = 1000
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
    clock = following.clock if following is not None and following.clock is not None else clock_of(settled)
    event = _event_of(settled, command, now, clock)
    if event is None:
        return Decision(state, settled, tuple(due), following, len(due))
    if settled.config.compensates_lag and isinstance(command, cmd.Switch) and comes_too_late(settled, command, now):
        return _too_late(state, settled, command, now, due)
    after, late, following = settle(evolve(settled, event), now, limit=SETTLE_LIMIT)
    events = (*due, event, *late) if due or late else (event,)
    return Decision(state, after, events, following, len(due), len(late), _expired_on_switch(settled, event))


def _too_late(state: State, settled: State, command: cmd.Switch, now: Instant, due: list[ev.Event]) -> Decision:
    """Return the decision of a switch within the grace of an expiry that came too late: the clock expires first.

    When its expiry ends the turn or the session, nothing is left to switch.
    """
    active, (expired, expiry) = settled.active_participant, expire(settled, now)
    owner = None if active is None else active.participant_id
    happened: list[ev.Event] = [*due, *expiry]
    if len(expiry) > 1:
        after, late, following = settle(expired, now, limit=SETTLE_LIMIT)
        return Decision(state, after, (*happened, *late), following, len(due), len(expiry) + len(late), owner)
    event = switch(expired, command, now, clock_of(expired))
    after, late, following = settle(evolve(expired, event), now, limit=SETTLE_LIMIT)
    return Decision(state, after, (*happened, event, *late), following, len(happened), len(late), owner)


def _expired_on_switch(state: State, event: ev.Event) -> UUID | None:
    if not isinstance(event, ev.CycleSwitched):
        return None
    pool = POOLS[state.config.sync_mode]
    return event.from_participant_id if pool.clock_expired(state) and not pool.is_common else None


def _event_of(state: State, command: cmd.Command, now: Instant, clock: Clock | None) -> ev.Event | None:
    """Return the event of the command itself, on a settled state with this clock; None when it changes nothing."""
    expected = command.expected_version
    if expected is not None and expected != state.version:
        raise VersionMismatch(expected, state.version)
    verb, allowed = _ALLOWED[type(command)]
    if state.status not in allowed:
        raise WrongStatus(verb, state.status, allowed)
    return _EVENT_OF[type(command)](state, command, now, clock)


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
    cmd.AdjustClock: ("adjust the clock of", _LIVE),
    cmd.UndoSwitch: ("undo a switch of", frozenset({Status.RUNNING})),
    cmd.AssignTurn: ("assign the turn in", _LIVE),
    cmd.Delete: ("delete", frozenset(Status)),
    cmd.AssignSeat: ("assign a seat in", frozenset(Status)),
    cmd.RevokeAccess: ("revoke access to", frozenset(Status)),
    cmd.GrantAccess: ("grant access to", frozenset(Status)),
}


def _add(state: State, command: cmd.AddParticipant, now: Instant, _: Clock | None) -> ev.Event:
    seat = command.seat
    problems: list[Problem] = []
    taken = {p.participant_index for p in state.participants}
    if len(state.participants) >= MAX_PARTICIPANTS:
        problems.append(("participant_id", f"A session has at most {MAX_PARTICIPANTS} participants."))
    if state.position_of(seat.participant_id) != NOBODY:
        problems.append(("participant_id", "Duplicate participant_id."))
    if seat.participant_index in taken:
        problems.append(("participant_index", "Duplicate participant_index."))
    if state.config.sync_mode is SyncMode.PER_GROUP and seat.group_id is None:
        problems.append(("group_id", "This field is required in per_group mode."))
    group = next((group for group in state.groups if group.group_id == seat.group_id), None)
    problems += _problems_of_newcomer(state, seat, group)
    if problems:
        raise Problems(problems)
    index = max(taken, default=-1) + 1 if seat.participant_index is None else seat.participant_index
    newcomer = participant_of(state.config, seat, index, group)
    return ev.ParticipantAdded(*_next_numbers(state), now, newcomer)


def _problems_of_newcomer(state: State, seat: cmd.Seat, group: Group | None) -> list[Problem]:
    found: list[Problem] = []
    has_own_clock = group is None or state.config.sync_mode is not SyncMode.PER_GROUP
    if has_own_clock and not has_time(state.config, seat):
        found.append(("total_time_ms", REQUIRED))
    if seat.time_control is not None and state.config.sync_mode is not SyncMode.PER_PARTICIPANT:
        found.append(("time_control", f"Only in {SyncMode.PER_PARTICIPANT} mode."))
    elif seat.time_control is not None:
        found += [(f"time_control.{field}", message) for field, message in seat.time_control.problems()]
    controls = [state.config.control, seat.time_control]
    controls += [p.time_control for p in state.participants] + [group.time_control for group in state.groups]
    if has_own_clock and any(control is not None and control.others_gain for control in controls):
        found.append(("participant_id", "An hourglass is for two clocks."))
    return found


def _assign(state: State, command: cmd.AssignSeat, now: Instant, _: Clock | None) -> ev.Event | None:
    """Return the event of the assignment; None when the seat is already assigned to that person."""
    position = state.position_of(command.participant_id)
    if position == NOBODY:
        raise NoSuchParticipant(command.participant_id)
    if state.participants[position].user_id == command.user_id:
        return None
    return ev.ParticipantAssigned(*_next_numbers(state), now, command.participant_id, command.user_id, command.reason)


def _revoke(state: State, command: cmd.RevokeAccess, now: Instant, _: Clock | None) -> ev.Event | None:
    """Return the event of the revocation; None when the token is already revoked."""
    revoked = state.access.revoked
    if command.token_id is not None and any(one.token_id == command.token_id for one in revoked):
        return None
    if command.token_id is not None and sum(one.until_ms > now for one in revoked) >= MAX_REVOKED:
        raise Problems([("token_id", f"At most {MAX_REVOKED} are revoked one by one; revoke all of them instead.")])
    return ev.AccessRevoked(*_next_numbers(state), now, command.token_id, now + command.longest_ms)


def _grant(state: State, command: cmd.GrantAccess, now: Instant, _: Clock | None) -> ev.Event:
    seat = command.participant_id
    if seat is not None and state.position_of(seat) == NOBODY:
        raise NoSuchParticipant(seat)
    return ev.AccessGranted(*_next_numbers(state), now, command.role, command.token_id, seat, command.until_ms)


def _next_numbers(state: State) -> tuple[int, int]:
    return state.sequence + 1, state.version + 1


_EVENT_OF: dict[type[cmd.Command], Callable[..., ev.Event | None]] = {
    cmd.Start: lambda state, _, now, __: started(state, state.version + 1, now),
    cmd.Pause: lambda state, _, now, __: ev.SessionPaused(*_next_numbers(state), now),
    cmd.Resume: lambda state, _, now, __: ev.SessionResumed(*_next_numbers(state), now),
    cmd.Complete: lambda state, _, now, __: ev.SessionCompleted(*_next_numbers(state), now),
    cmd.Cancel: lambda state, _, now, __: ev.SessionCancelled(*_next_numbers(state), now),
    cmd.Delete: lambda state, _, now, __: ev.SessionDeleted(*_next_numbers(state), now),
    cmd.Switch: switch,
    cmd.AddParticipant: _add,
    cmd.AdjustTime: adjust_bank,
    cmd.AdjustClock: adjust_clock,
    cmd.UndoSwitch: undo,
    cmd.AssignTurn: assign_turn,
    cmd.AssignSeat: _assign,
    cmd.RevokeAccess: _revoke,
    cmd.GrantAccess: _grant,
}
