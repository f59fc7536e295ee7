"""The commands to a session, named in the imperative. Shapes only: `decide` holds the rules."""

from __future__ import annotations

from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from synckairos.engine.controls import TimeControl
from synckairos.engine.state import NO_PERSON, Access, Config
from synckairos.engine.units import Duration, Instant, SyncMode

_NOBODYS = Access()


class Seat(Struct, frozen=True):
    """A participant as requested. Without an index it takes its place in the list, or the last place if added."""

    participant_id: UUID
    total_time_ms: Duration | None
    """The bank; None for the main time of the time control."""
    participant_index: int | None = None
    group_id: UUID | None = None
    user_id: str | None = None
    time_control: TimeControl | None = None
    """The participant's own time control; None for that of the session."""


class GroupBank(Struct, frozen=True):
    """The bank of a group, as requested."""

    group_id: UUID
    total_time_ms: Duration | None
    time_control: TimeControl | None = None


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
        thresholds = tuple(sorted(set(settings.pop("warning_thresholds_ms", ())), reverse=True))
        config = Config(sync_mode, total_time_ms or 0, **settings, warning_thresholds_ms=thresholds)
        if total_time_ms is None:
            config = replace(config, total_time_ms=sum(main_ms(config, seat) for seat in participants))
        return cls(config, participants, groups, total_time_ms, active_participant_id, access)


def main_ms(config: Config, owner: Seat | GroupBank) -> Duration:
    """Return the time that a clock begins with: its own, or that of its time control."""
    if owner.total_time_ms is not None:
        return owner.total_time_ms
    return (owner.time_control or config.control).main_ms or 0


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
    `think_ms` is what the client says its user has needed, `measured_ms` the round trip that the server measured.
    """

    next_participant_id: UUID | None = None
    current_participant_id: UUID | None = None
    expected_version: int | None = None
    think_ms: Duration | None = None
    by: frozenset[UUID] | None = None
    measured_ms: Duration | None = None


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


class AdjustClock(Struct, frozen=True, tag=True):
    """Adjust the clock that runs, or that runs next. Exactly one of the three numbers is given."""

    adjust_ms: int | None = None
    """The time to add, of either sign."""
    set_ms: Duration | None = None
    """The time left afterwards."""
    at_least_ms: Duration | None = None
    """The least time left afterwards: a clock with more is left alone."""
    reason: str | None = None
    expected_version: int | None = None


class UndoSwitch(Struct, frozen=True, tag=True):
    """Take back the last switch, if nothing else has happened since."""

    reason: str | None = None
    expected_version: int | None = None


class AssignTurn(Struct, frozen=True, tag=True):
    """Give the turn to a participant. The turn that this interrupts does not count as finished."""

    participant_id: UUID
    reason: str | None = None
    expected_version: int | None = None


class AssignSeat(Struct, frozen=True, tag=True):
    """Assign a seat to a person, or to none."""

    participant_id: UUID
    user_id: str = NO_PERSON
    reason: str | None = None
    expected_version: int | None = None


class GrantAccess(Struct, frozen=True, tag=True):
    """Record that a session token is issued."""

    role: str
    token_id: str
    until_ms: Instant
    """Instant at which the token expires."""
    participant_id: UUID | None = None
    """The participant whose seat the token gives; None for other roles."""
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
    | AdjustClock
    | UndoSwitch
    | AssignTurn
    | AssignSeat
    | GrantAccess
    | RevokeAccess
)
