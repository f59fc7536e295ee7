"""Request bodies: the one definition of each, for REST, sockets and the two documents.

Lengths of lists, bounds of numbers and forms of texts stand in the types (values.py), rules between fields in
`problems`. reading.py reads them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from sessions.requests.time_controls import OneTimeControl, SessionTimeControl, Sides, control_problems, turn_problems
from sessions.requests.values import (
    MAX_INCREMENT_MS,
    MAX_INDEX,
    MAX_WARNINGS,
    MIN_TIME_MS,
    Duration,
    ExpectedVersion,
    GrantedRole,
    Instant,
    JsonObject,
    Name,
    Permission,
    Reason,
    Secret,
    TimeoutActionObject,
    Uuid,
)
from synckairos.auth.grants import MAX_SESSION_TOKEN_MS, Role
from synckairos.auth.names import NAME_RULE
from synckairos.auth.permissions import GRANTABLE
from synckairos.conf import conf
from synckairos.engine import MAX_PARTICIPANTS, MAX_TIME_MS, SyncMode, commands, problems
from synckairos.engine.state import NO_PERSON, Access
from synckairos.engine.units import Visibility

MAX_BATCH = 50
Problems: TypeAlias = list[tuple[str, str]]
"""Broken rules, as (field, message)."""


TOTAL_TIME_RULE = "The time to begin with; required unless the time control says it."


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object without unknown fields."""

    def problems(self, wrong: AbstractSet[str] = frozenset()) -> Problems:
        """Return the rules between fields that the body breaks. `wrong` are the fields that were given and refused;
        here they have their defaults."""
        return []


class ParticipantRequest(Body, frozen=True, kw_only=True):
    """One participant of a new session."""

    participant_id: Uuid
    participant_index: Annotated[int, Meta(ge=0, le=MAX_INDEX)] | None = None
    total_time_ms: Annotated[Duration | None, Meta(description=TOTAL_TIME_RULE)] = None
    group_id: Uuid | None = None
    user_id: Annotated[Name | None, Meta(description=NAME_RULE)] = None
    time_control: OneTimeControl | None = None

    def seat(self) -> commands.Seat:
        """Return the participant for the engine."""
        place, control = (self.participant_index, self.group_id, self.user_id), self.time_control
        return commands.Seat(self.participant_id, self.total_time_ms, *place, control)


class GroupRequest(Body, frozen=True, kw_only=True):
    """The bank of one group."""

    group_id: Uuid
    total_time_ms: Annotated[Duration | None, Meta(description=TOTAL_TIME_RULE)] = None
    time_control: OneTimeControl | None = None

    def bank(self) -> commands.GroupBank:
        """Return the group for the engine."""
        return commands.GroupBank(self.group_id, self.total_time_ms, self.time_control)


class CreateSessionRequest(Body, frozen=True, kw_only=True):
    """The session to create."""

    session_id: Uuid | None = None
    sync_mode: SyncMode
    participants: Annotated[tuple[ParticipantRequest, ...], Meta(max_length=MAX_PARTICIPANTS)] = ()
    groups: Annotated[tuple[GroupRequest, ...], Meta(max_length=MAX_PARTICIPANTS)] = ()
    total_time_ms: Duration | None = None
    time_per_cycle_ms: Duration | None = None
    increment_ms: Annotated[int, Meta(ge=0, le=MAX_INCREMENT_MS)] | None = None
    max_time_ms: Duration | None = None
    time_control: SessionTimeControl | None = None
    lag_compensation: bool = False
    metadata: JsonObject | None = None
    active_participant_id: Uuid | None = None
    auto_advance: bool = False
    action_on_timeout: TimeoutActionObject | None = None
    warning_thresholds_ms: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MAX_TIME_MS)], ...], Meta(max_length=MAX_WARNINGS)
    ] = ()
    start_at: Instant | None = None
    visibility: Visibility | None = None
    permissions: Annotated[
        tuple[Permission, ...],
        Meta(
            max_length=len(GRANTABLE),
            description="What participants (`pause`, `resume`) and controllers (`adjust_time`) may do as well.",
        ),
    ] = ()

    def problems(self, wrong: AbstractSet[str] = frozenset()) -> Problems:
        return [
            (field, message) for field, message in self.broken(self.command("")) if wrong.isdisjoint(_fields_of(field))
        ]

    def broken(self, command: commands.Create) -> Problems:
        """Return the rules that the body breaks, with the creation that it is for the engine."""
        found = problems(command)
        if isinstance(self.time_control, Sides):
            found += self.time_control.problems(self.sync_mode, len(self.participants), self.increment_ms)
        return found + control_problems(self.time_control, participants=self.participants, groups=self.groups)

    def command(self, owner: str) -> commands.Create:
        """Return the creation for the engine, with the owner's name."""
        seats, time_control = tuple([participant.seat() for participant in self.participants]), self.time_control
        if isinstance(time_control, Sides):
            seats = time_control.given_to(seats) if self.sync_mode is SyncMode.PER_PARTICIPANT else seats
            time_control = None
        return commands.Create.of(
            sync_mode=self.sync_mode,
            participants=seats,
            groups=tuple([group.bank() for group in self.groups]),
            total_time_ms=self.total_time_ms,
            time_per_cycle_ms=self.time_per_cycle_ms,
            increment_ms=self.increment_ms or 0,
            max_time_ms=self.max_time_ms,
            time_control=time_control,
            compensates_lag=self.lag_compensation,
            auto_advance=self.auto_advance,
            action_on_timeout=self.action_on_timeout,
            warning_thresholds_ms=self.warning_thresholds_ms,
            start_at_ms=self.start_at,
            active_participant_id=self.active_participant_id,
            metadata=self.metadata,
            access=Access(owner, self.visibility or conf().default_visibility, tuple(sorted(set(self.permissions)))),
        )


def _fields_of(field: str) -> set[str]:
    """Return the fields on which a rule depends that names this one."""
    if field.endswith(".total_time_ms"):  # the time control may say it, or the group
        return {field.partition(".")[0], "time_control", "groups"}
    return {field, "participants", "groups"} if field == "time_control" else {field.partition(".")[0]}


class EmptyRequest(Body, frozen=True, kw_only=True):
    """The body of a DELETE, in which no field has a meaning."""


class CommandRequest(Body, frozen=True, kw_only=True):
    """The optional body of a command without arguments."""

    expected_version: ExpectedVersion = None


class SwitchRequest(Body, frozen=True, kw_only=True):
    """The optional body of a switch."""

    next_participant_id: Uuid | None = None
    current_participant_id: Uuid | None = None
    expected_version: ExpectedVersion = None
    think_ms: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None,
        Meta(description="Time that the user has needed, measured on the device; for lag compensation."),
    ] = None


class AddParticipantRequest(ParticipantRequest, frozen=True, kw_only=True):
    """One participant to add."""

    expected_version: ExpectedVersion = None

    def problems(self, wrong: AbstractSet[str] = frozenset()) -> Problems:
        return [] if "time_control" in wrong else turn_problems("time_control", self.time_control)

    def command(self) -> commands.AddParticipant:
        """Return the command for the engine."""
        return commands.AddParticipant(self.seat(), self.expected_version)


class AdjustTimeRequest(Body, frozen=True, kw_only=True):
    """Exactly one of `total_time_ms` (set), `adjust_ms` (move, either sign) and `user_id` (whose seat it is)."""

    total_time_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    adjust_ms: Annotated[int, Meta(ge=-MAX_TIME_MS, le=MAX_TIME_MS)] | None = None
    user_id: Annotated[
        Name | UnsetType | None,
        Meta(
            description=f"Whose seat it is from now on; null for nobody's, whatever the participant's id. {NAME_RULE}"
        ),
    ] = UNSET
    reason: Reason = None
    expected_version: ExpectedVersion = None

    def problems(self, wrong: AbstractSet[str] = frozenset()) -> Problems:
        given = (self.total_time_ms is not None) + (self.adjust_ms is not None) + (self.user_id is not UNSET)
        if given == 1 or wrong & {"total_time_ms", "adjust_ms", "user_id"}:
            return []
        return [("total_time_ms", "Give exactly one of total_time_ms, adjust_ms and user_id.")]

    def command(self, participant_id: UUID) -> commands.AdjustTime | commands.AssignSeat:
        """Return the command for the engine: the adjustment of a bank, or the assignment of a seat."""
        if self.user_id is not UNSET:
            user_id = self.user_id or NO_PERSON
            return commands.AssignSeat(participant_id, user_id, self.reason, self.expected_version)
        return commands.AdjustTime(
            participant_id, self.total_time_ms, self.adjust_ms, self.reason, self.expected_version
        )


class AdjustClockRequest(Body, frozen=True, kw_only=True):
    """Exactly one of `adjust_ms` (move, either sign), `set_ms` and `at_least_ms` (leave no less than this)."""

    adjust_ms: Annotated[int, Meta(ge=-MAX_TIME_MS, le=MAX_TIME_MS)] | None = None
    set_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    at_least_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    reason: Reason = None
    expected_version: ExpectedVersion = None


class UndoSwitchRequest(Body, frozen=True, kw_only=True):
    """The optional body of an undo."""

    reason: Reason = None
    expected_version: ExpectedVersion = None


class AssignTurnRequest(Body, frozen=True, kw_only=True):
    """The participant that gets the turn."""

    participant_id: Uuid
    reason: Reason = None
    expected_version: ExpectedVersion = None


class ReadSessionsRequest(Body, frozen=True, kw_only=True):
    """Which sessions to read."""

    session_ids: Annotated[tuple[Uuid, ...], Meta(min_length=1, max_length=MAX_BATCH)]


class TicketRequest(Body, frozen=True, kw_only=True):
    """Which session a ticket is for; it need not exist yet."""

    session_id: Uuid


class SessionTokenRequest(Body, frozen=True, kw_only=True):
    """A role in a session; a participant's is for one seat."""

    role: GrantedRole
    participant_id: Annotated[Uuid | None, Meta(description="Of a participant, and of nobody else.")] = None
    lifetime_ms: Annotated[
        Annotated[int, Meta(ge=MIN_TIME_MS, le=MAX_SESSION_TOKEN_MS)] | None,
        Meta(description="How long the token is good; 12 hours when nothing is said."),
    ] = None

    def problems(self, wrong: AbstractSet[str] = frozenset()) -> Problems:
        is_participant = self.role is Role.PARTICIPANT
        if is_participant == (self.participant_id is not None):
            return []
        return [("participant_id", "Required for a participant." if is_participant else "Only for a participant.")]


class TokenRequest(Body, frozen=True, kw_only=True):
    """A username and its password, exactly as they are."""

    username: Secret
    password: Secret


class RefreshTokenRequest(Body, frozen=True, kw_only=True):
    """The refresh token to exchange for the next pair."""

    refresh: Secret


class RevokeTokenRequest(Body, frozen=True, kw_only=True):
    """A refresh token of the login to end."""

    refresh: Secret
