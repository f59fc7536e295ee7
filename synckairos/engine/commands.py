"""What can be asked of a session, in the imperative. Shapes only: `decide` holds the rules."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from synckairos.engine.state import NO_PERSON, Access
from synckairos.engine.units import Duration, Instant, Json, SyncMode


class Seat(Struct, frozen=True):
    """A participant as asked for; without an index it takes its place in the list, or comes last when added."""

    participant_id: UUID
    total_time_ms: Duration
    participant_index: int | None = None
    group_id: UUID | None = None
    user_id: str | None = None


class GroupBank(Struct, frozen=True):
    """A group's bank as asked for."""

    group_id: UUID
    total_time_ms: Duration


class Create(Struct, frozen=True, tag=True):
    """A new session. `total_time_ms` defaults to the sum of the participants'."""

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
    """End the running cycle. `current_participant_id` guards against switching somebody else's turn.

    `by` are the participants on whose behalf it is asked for: one of them must be active, and none of them may be next.
    """

    next_participant_id: UUID | None = None
    current_participant_id: UUID | None = None
    expected_version: int | None = None
    by: frozenset[UUID] | None = None


class AddParticipant(Struct, frozen=True, tag=True):
    seat: Seat
    expected_version: int | None = None


class AdjustTime(Struct, frozen=True, tag=True):
    """Set a bank (`total_time_ms`) or move it (`adjust_ms`, either sign); exactly one of the two."""

    participant_id: UUID
    total_time_ms: Duration | None = None
    adjust_ms: Duration | None = None
    reason: str | None = None
    expected_version: int | None = None


class AssignSeat(Struct, frozen=True, tag=True):
    """Say whose seat it is: another person's, or nobody's."""

    participant_id: UUID
    user_id: str = NO_PERSON
    reason: str | None = None
    expected_version: int | None = None


class RevokeAccess(Struct, frozen=True, tag=True):
    """Let one session token, or all that were given out so far, be good no longer."""

    longest_ms: Duration
    """How long a token can be good at most: for so long it has to be remembered."""
    token_id: str | None = None
    """None for all."""
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
