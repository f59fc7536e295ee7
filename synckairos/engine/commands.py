"""The commands to a session, named in the imperative. Shapes only: `decide` holds the rules."""

from __future__ import annotations

from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct

from synckairos.engine.state import NO_PERSON, Access, Config
from synckairos.engine.units import Duration, SyncMode

_NOBODYS = Access()


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
    """Create a session with this configuration."""

    config: Config
    participants: tuple[Seat, ...] = ()
    groups: tuple[GroupBank, ...] = ()
    total_time_ms: Duration | None = None
    """The total time as it was asked for; that of the configuration defaults to the sum of the participants' banks."""
    active_participant_id: UUID | None = None
    access: Access = Access()

    @classmethod
    def of(
        cls,
        sync_mode: SyncMode,
        participants: tuple[Seat, ...] = (),
        groups: tuple[GroupBank, ...] = (),
        *,
        total_time_ms: Duration | None = None,
        active_participant_id: UUID | None = None,
        access: Access = _NOBODYS,
        **settings: Any,
    ) -> Create:
        """Return a creation; `settings` are the other fields of the configuration."""
        total_ms = sum(seat.total_time_ms for seat in participants) if total_time_ms is None else total_time_ms
        thresholds = tuple(sorted(set(settings.pop("warning_thresholds_ms", ())), reverse=True))
        config = Config(sync_mode, total_ms, **settings, warning_thresholds_ms=thresholds)
        return cls(config, participants, groups, total_time_ms, active_participant_id, access)


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
