"""The schemas of answers (docs/protocol.md): the same objects over REST and WebSocket, and in both documents."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from synckairos.auth.grants import GRANTED, SessionGrant
from synckairos.engine.controls import Control
from synckairos.engine.units import Duration, Instant, Json, Status, SyncMode, Visibility
from synckairos.http.openapi import ref

# Units as the engine has them, and what /api-docs.json and /asyncapi.json say of them.
Milliseconds: TypeAlias = Annotated[Duration, Meta(ge=0)]
InstantMs: TypeAlias = Annotated[Instant, Meta(ge=0, description="Milliseconds since the Unix epoch.")]
InstantText: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Version: TypeAlias = Annotated[int, Meta(ge=1, description="Rises by 1 with every transition.")]
StatusText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [status.value for status in Status]})]
VisibilityText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [one.value for one in Visibility]})]
ModeText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [mode.value for mode in SyncMode]})]
ControlObject: TypeAlias = Annotated[Control, Meta(extra_json_schema=ref("TimeControl"))]


class LagView(Struct, kw_only=True):
    """The lag of one participant, summed over its turns."""

    granted_ms: Milliseconds
    """Time that was not charged."""
    uncompensated_ms: Milliseconds
    """Lag that was charged, because it was beyond the quota or beyond what the server measured."""


class ClockView(Struct, kw_only=True):
    """The clock of one owner beyond its time left. At an instant t, a clock with `drains_from` and `deadline_at` has
    `deadline_at` - max(t, `drains_from`) left, and 0 after `deadline_at`; other clocks stand still."""

    drains_from: InstantText | UnsetType = UNSET
    """Present while the clock runs: the instant from which on it drains."""
    deadline_at: InstantText | UnsetType = UNSET
    """Present while the clock runs: the instant at which its phase ends."""
    gains_from: InstantText | UnsetType = UNSET
    """Present while the clock gains what the running one loses (hourglass)."""
    phase: str | UnsetType = UNSET
    """The phase of the time control; present when a time control was given."""
    stage: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    """The number of the stage, from 1, in a control with stages."""
    turns_left: Count | UnsetType = UNSET
    """Turns left in the block (Canadian) or in the stage."""
    periods_left: Count | UnsetType = UNSET
    """Byo-yomi periods left, with the running one."""
    reserve_ms: Milliseconds | UnsetType = UNSET
    """Time in the bank that follows the allowance of a turn."""
    penalty_points: Count | UnsetType = UNSET
    """Points lost by overtime up to `server_time_ms`."""
    time_control: ControlObject | UnsetType = UNSET
    """The owner's own time control, if it differs from that of the session."""


class ParticipantView(ClockView, kw_only=True):
    """One participant; `total_time_ms` is what is left at `cycle_started_at` (or at rest)."""

    participant_id: UUID
    participant_index: Count
    total_time_ms: Milliseconds
    time_used_ms: Milliseconds
    time_remaining_ms: Milliseconds | None
    cycle_count: Count
    is_active: bool
    has_expired: bool
    group_id: UUID | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    lag: LagView | UnsetType = UNSET
    """Present when the session compensates lag."""


class GroupView(ClockView, kw_only=True):
    """One group's bank; `total_time_ms` is what is left at `cycle_started_at` (or at rest)."""

    group_id: UUID
    total_time_ms: Milliseconds
    time_remaining_ms: Milliseconds | None
    has_expired: bool


class StateView(Struct, kw_only=True):
    """The whole session at `server_time_ms`."""

    session_id: UUID
    epoch: str
    sync_mode: ModeText
    status: StatusText
    version: Version
    participants: list[ParticipantView]
    groups: list[GroupView]
    active_participant_id: UUID | None
    active_group_id: UUID | None
    total_time_ms: Milliseconds
    time_per_cycle_ms: Milliseconds | None
    increment_ms: Milliseconds
    max_time_ms: Milliseconds | UnsetType = UNSET
    time_control: ControlObject | None
    lag_compensation: bool
    cycle_number: Count
    cycle_started_at: InstantText | None
    session_started_at: InstantText | None
    session_completed_at: InstantText | None
    start_at: InstantText | None
    drains_from: InstantText | None
    deadline_at: InstantText | None
    time_remaining_ms: Milliseconds | None
    overtime_ms: Milliseconds
    elapsed_ms: Milliseconds
    has_expired: bool
    auto_advance: bool
    action_on_timeout: Json | None
    warning_thresholds_ms: tuple[Milliseconds, ...]
    metadata: Json | None
    owner: str
    visibility: VisibilityText
    permissions: tuple[str, ...]
    created_at: InstantText
    updated_at: InstantText
    server_time_ms: InstantMs
    archived: bool | UnsetType = UNSET
    """Present, and true, for a session that has left the store and is read from the audit."""


class SwitchView(Struct, kw_only=True):
    """The answer to a switch."""

    session_id: UUID
    active_participant_id: UUID | None
    cycle_started_at: InstantText | None
    participants: list[ParticipantView]
    status: StatusText
    version: Version
    server_time_ms: InstantMs
    expired_participant_id: UUID | UnsetType = UNSET
    action_applied: Json | UnsetType = UNSET


class SummaryView(Struct, kw_only=True):
    """The least that a list of sessions needs."""

    session_id: UUID
    status: StatusText
    active_participant_id: UUID | None
    version: Version
    time_remaining_ms: Milliseconds | None
    server_time_ms: InstantMs


class BatchView(Struct, kw_only=True):
    """Many sessions, in the order in which they were asked for."""

    sessions: list[StateView]
    missing: list[UUID]


class SessionItemView(Struct, kw_only=True):
    """One session of a list, as of its last commit that the audit has."""

    session_id: UUID
    epoch: str
    sync_mode: ModeText
    status: StatusText
    version: Version
    active_participant_id: UUID | None
    total_time_ms: Milliseconds
    cycle_number: Count
    cycle_started_at: InstantText | None
    session_started_at: InstantText | None
    session_completed_at: InstantText | None
    owner: str
    visibility: str
    labels: dict[str, str]
    """The values of the metadata by which sessions can be listed."""
    created_at: InstantText
    updated_at: InstantText


class SessionListView(Struct, kw_only=True):
    """One page of a list of sessions, the newest first."""

    sessions: list[SessionItemView]
    next_cursor: str | None
    """The `cursor` of the request for the next page; null on the last page."""
    as_of: InstantText | None
    """All that was committed before this instant is in the list; null while the server cannot tell."""


class ConnectedView(Struct, kw_only=True):
    """A participant that is connected."""

    participant_id: UUID
    sockets: int
    """WebSockets and event streams."""


class PresenceView(Struct, kw_only=True):
    """The participants and viewers that are connected to a session."""

    session_id: UUID
    connected: tuple[UUID, ...]
    participants: list[ConnectedView]
    viewers: int
    """WebSockets and event streams of people who are no participant."""


class CauseView(Struct, kw_only=True):
    """The cause of an event: the principal of a request, or the timekeeper for a deadline."""

    principal: str
    role: str | None
    """Role in the session; null for the timekeeper, and when it is not known."""
    door: str | None
    """One of `rest`, `socket`, `timekeeper`, `admin` and `command`; null when it is not known."""
    request_id: str
    """The `X-Request-Id` of the request that has committed the event; empty without one."""


class TicketView(Struct, kw_only=True):
    """Lets its bearer connect to a session, once and soon."""

    ticket: str
    session_id: UUID
    expires_at: InstantText


class SessionTokenView(Struct, kw_only=True):
    """A token that gives its bearer a role in one session."""

    token: str
    """Shown this once, and kept nowhere."""
    token_id: str
    """Names it, to revoke it."""
    session_id: UUID
    role: Annotated[str, Meta(extra_json_schema={"enum": [role.value for role in GRANTED]})]
    participant_id: UUID | UnsetType = UNSET
    expires_at: InstantText

    @classmethod
    def of(cls, token: str, grant: SessionGrant, expires_at: str) -> SessionTokenView:
        """Return the answer to the principal that issues the token."""
        return cls(
            token=token,
            token_id=grant.token_id,
            session_id=grant.session_id,
            role=grant.role.value,
            participant_id=UNSET if grant.participant_id is None else grant.participant_id,
            expires_at=expires_at,
        )
