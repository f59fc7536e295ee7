"""A state as clients see it (docs/protocol.md): the same object over REST and WebSocket."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from synckairos.auth.grants import GRANTED, SessionGrant
from synckairos.engine import read, seats_left_ms
from synckairos.engine.events import Event, fields_of
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Json, Status, SyncMode, Visibility
from synckairos.instants import as_iso

# Units as the engine has them, and what /api-docs.json and /asyncapi.json say of them.
Milliseconds: TypeAlias = Annotated[Duration, Meta(ge=0)]
InstantMs: TypeAlias = Annotated[Instant, Meta(ge=0, description="Milliseconds since the Unix epoch.")]
InstantText: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Version: TypeAlias = Annotated[int, Meta(ge=1, description="Rises by 1 with every transition.")]
StatusText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [status.value for status in Status]})]
VisibilityText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [one.value for one in Visibility]})]
ModeText: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": [mode.value for mode in SyncMode]})]


class ParticipantView(Struct, kw_only=True):
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


class GroupView(Struct, kw_only=True):
    """One group's bank, as at `cycle_started_at` (or at rest)."""

    group_id: UUID
    total_time_ms: Milliseconds
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
    cycle_number: Count
    cycle_started_at: InstantText | None
    session_started_at: InstantText | None
    session_completed_at: InstantText | None
    start_at: InstantText | None
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
            participant_id=_given(grant.participant_id),
            expires_at=expires_at,
        )


_json = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """Any view, or plain data with views in it, as JSON."""
    return _json.encode(value)


def present(state: State, now: Instant) -> StateView:
    """A settled state at an instant."""
    reading = read(state, now)
    active = state.active_participant
    config, cycle, access = state.config, state.cycle, state.access
    return StateView(
        session_id=state.session_id,
        epoch=state.epoch,
        sync_mode=config.sync_mode,
        status=state.status,
        version=state.version,
        participants=_participants(state, reading.stretch_ms),
        groups=[
            GroupView(group_id=g.group_id, total_time_ms=g.total_time_ms, has_expired=g.has_expired)
            for g in state.groups
        ],
        active_participant_id=None if active is None else active.participant_id,
        active_group_id=None if active is None else active.group_id,
        total_time_ms=config.total_time_ms,
        time_per_cycle_ms=config.time_per_cycle_ms,
        increment_ms=config.increment_ms,
        max_time_ms=UNSET if config.max_time_ms is None else config.max_time_ms,
        cycle_number=cycle.number,
        cycle_started_at=None if cycle.started_ms is None else as_iso(cycle.started_ms),
        session_started_at=None if state.started_ms is None else as_iso(state.started_ms),
        session_completed_at=None if state.completed_ms is None else as_iso(state.completed_ms),
        start_at=None if config.start_at_ms is None else as_iso(config.start_at_ms),
        deadline_at=None if reading.deadline_ms is None else as_iso(reading.deadline_ms),
        time_remaining_ms=reading.time_remaining_ms,
        overtime_ms=reading.overtime_ms,
        elapsed_ms=state.running_ms + reading.stretch_ms,
        has_expired=state.has_expired,
        auto_advance=config.auto_advance,
        action_on_timeout=config.action_on_timeout,
        warning_thresholds_ms=config.warning_thresholds_ms,
        metadata=config.metadata,
        owner=access.owner,
        visibility=access.visibility,
        permissions=access.permissions,
        created_at=as_iso(state.created_ms),
        updated_at=as_iso(state.updated_ms),
        server_time_ms=reading.at_ms,
    )


def present_switch(
    state: State,
    now: Instant,
    view: StateView | None = None,
    expired_participant_id: UUID | None = None,
    action_applied: Json | None = None,
) -> SwitchView:
    """The answer to a switch that led to this state; `view` is the state as presented, if that was needed besides."""
    now, active, started_ms = max(now, state.updated_ms), state.active_participant, state.cycle.started_ms
    return SwitchView(
        session_id=state.session_id,
        active_participant_id=None if active is None else active.participant_id,
        cycle_started_at=None if started_ms is None else as_iso(started_ms),
        participants=_participants(state, state.stretch_ms(now)) if view is None else view.participants,
        status=state.status,
        version=state.version,
        server_time_ms=now,
        expired_participant_id=_given(expired_participant_id),
        action_applied=_given(action_applied),
    )


def present_summary(state: State, now: Instant) -> SummaryView:
    """A settled state in short."""
    reading = read(state, now)
    active = state.active_participant
    return SummaryView(
        session_id=state.session_id,
        status=state.status,
        active_participant_id=None if active is None else active.participant_id,
        version=state.version,
        time_remaining_ms=reading.time_remaining_ms,
        server_time_ms=reading.at_ms,
    )


def present_event(event: Event) -> dict[str, Any]:
    """One event as clients see it."""
    return {
        "type": event.name,
        "sequence": event.sequence,
        "version": event.version,
        "at": as_iso(event.at_ms),
        **fields_of(event),
    }


def _participants(state: State, stretch_ms: int) -> list[ParticipantView]:
    active = state.active
    return [
        ParticipantView(
            participant_id=p.participant_id,
            participant_index=p.participant_index,
            total_time_ms=p.total_time_ms,
            time_used_ms=p.time_used_ms + stretch_ms if position == active else p.time_used_ms,
            time_remaining_ms=left_ms,
            cycle_count=p.cycle_count,
            is_active=position == active,
            has_expired=p.has_expired,
            group_id=p.group_id or UNSET,
            user_id=p.user_id or UNSET,
        )
        for position, (p, left_ms) in enumerate(zip(state.participants, seats_left_ms(state, stretch_ms), strict=True))
    ]


def _given(value: Any) -> Any:
    return UNSET if value is None else value
