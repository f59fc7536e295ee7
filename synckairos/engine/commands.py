"""The commands to a session, named in the imperative. Shapes only: `decide` holds the rules."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from synckairos.engine.state import NO_PERSON, Access
from synckairos.engine.units import Duration, Instant, Json, SyncMode


class Seat(Struct, frozen=True):
    """A participant as requested. Without an index it takes its place in the list, or the last place if added."""

    participant_id: UUID
    total_time_ms: Duration
    participant_index: int | None = None
    group_id: UUID | None = None
    user_id: str | None = None


class GroupBank(Struct, frozen=True):
    """The bank of a group, as requested."""

    group_id: UUID
    total_time_ms: Duration


class Create(Struct, frozen=True, tag=True):
    """Create a session. `total_time_ms` defaults to the sum of the participants' banks."""

    sync_mode: SyncMode
    participants: tuple[Seat, ...] = ()
    groups: tuple[GroupBank, ...] = ()
    total_time_ms: Duration | None = None
    time_per_cycle_ms: Duration | None = None
    increment_ms: Duration = 0
    max_time_ms: Duration | None = None
    auto_advance: bool = False
    action_on_timeout: Json | None = None
    warning_thresholds_ms: tuple[Duration, ...] = ()
    start_at_ms: Instant | None = None
    active_participant_id: UUID | None = None
    metadata: Json | None = None
    access: Access = Access()


class Start(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Pause(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Resume(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Complete(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Cancel(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Delete(Struct, frozen=True, tag=True):
    expected_version: int | None = None


class Switch(Struct, frozen=True, tag=True):
    """End the running cycle. `current_participant_id` prevents that the turn of another participant is ended.

    `by` are the participants in whose name the switch is requested: one of them must be active, and none may be next.
    """

    next_participant_id: UUID | None = None
    current_participant_id: UUID | None = None
    expected_version: int | None = None
    by: frozenset[UUID] | None = None


class AddParticipant(Struct, frozen=True, tag=True):
    seat: Seat
    expected_version: int | None = None


class AdjustTime(Struct, frozen=True, tag=True):
    """Set a bank (`total_time_ms`) or add to it (`adjust_ms`, of either sign); exactly one of the two is given."""

    participant_id: UUID
    total_time_ms: Duration | None = None
    adjust_ms: Duration | None = None
    reason: str | None = None
    expected_version: int | None = None


class AssignSeat(Struct, frozen=True, tag=True):
    """Assign a seat to a person, or to none."""

    participant_id: UUID
    user_id: str = NO_PERSON
    reason: str | None = None
    expected_version: int | None = None


class RevokeAccess(Struct, frozen=True, tag=True):
    """Revoke one session token, or all that were issued so far."""

    longest_ms: Duration
    """Longest lifetime of a token: the revocation is kept for so long."""
    token_id: str | None = None
    """The id of one token; None for all."""
    expected_version: int | None = None


Command: TypeAlias = (
    Start
    | Pause
    | Resume
    | Complete
    | Cancel
    | Delete
    | Switch
    | AddParticipant
    | AdjustTime
    | AssignSeat
    | RevokeAccess
)
