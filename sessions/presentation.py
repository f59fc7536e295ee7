"""A state as clients see it (docs/protocol.md): the same object over REST and WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from synckairos.engine import read, seat_left_ms
from synckairos.engine.events import Event, details
from synckairos.engine.state import State
from synckairos.engine.units import Instant, Json
from synckairos.instants import as_iso


class ParticipantView(Struct, kw_only=True):
    """One participant; `total_time_ms` is what is left at `cycle_started_at` (or at rest)."""

    participant_id: UUID
    participant_index: int
    total_time_ms: int
    time_used_ms: int
    time_remaining_ms: int | None
    cycle_count: int
    is_active: bool
    has_expired: bool
    group_id: UUID | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class GroupView(Struct, kw_only=True):
    """One group's bank, as at `cycle_started_at` (or at rest)."""

    group_id: UUID
    total_time_ms: int
    has_expired: bool


class StateView(Struct, kw_only=True):
    """The whole session at `server_time_ms`."""

    session_id: UUID
    epoch: str
    sync_mode: str
    status: str
    version: int
    participants: list[ParticipantView]
    groups: list[GroupView]
    active_participant_id: UUID | None
    active_group_id: UUID | None
    total_time_ms: int
    time_per_cycle_ms: int | None
    increment_ms: int
    max_time_ms: int | UnsetType = UNSET
    cycle_number: int
    cycle_started_at: str | None
    session_started_at: str | None
    session_completed_at: str | None
    start_at: str | None
    deadline_at: str | None
    time_remaining_ms: int | None
    overtime_ms: int
    elapsed_ms: int
    has_expired: bool
    auto_advance: bool
    action_on_timeout: Json | None
    warning_thresholds_ms: tuple[int, ...]
    metadata: Json | None
    created_at: str
    updated_at: str
    server_time_ms: int


class SwitchView(Struct, kw_only=True):
    """The answer to a switch."""

    session_id: UUID
    active_participant_id: UUID | None
    cycle_started_at: str | None
    participants: list[ParticipantView]
    status: str
    version: int
    server_time_ms: int
    expired_participant_id: UUID | UnsetType = UNSET
    action_applied: Json | UnsetType = UNSET


class SummaryView(Struct, kw_only=True):
    """The least that a list of sessions needs."""

    session_id: UUID
    status: str
    active_participant_id: UUID | None
    version: int
    time_remaining_ms: int | None
    server_time_ms: int


_json = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """Any view, or plain data with views in it, as JSON."""
    return _json.encode(value)


def present(state: State, now: Instant) -> StateView:
    """A settled state at an instant."""
    reading = read(state, now)
    active = state.active_participant
    config = state.config
    return StateView(
        session_id=state.session_id,
        epoch=state.epoch,
        sync_mode=config.sync_mode.value,
        status=state.status.value,
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
        max_time_ms=_given(config.max_time_ms),
        cycle_number=state.cycle.number,
        cycle_started_at=_iso(state.cycle.started_ms),
        session_started_at=_iso(state.started_ms),
        session_completed_at=_iso(state.completed_ms),
        start_at=_iso(config.start_at_ms),
        deadline_at=_iso(reading.deadline_ms),
        time_remaining_ms=reading.time_remaining_ms,
        overtime_ms=reading.overtime_ms,
        elapsed_ms=state.running_ms + reading.stretch_ms,
        has_expired=state.has_expired,
        auto_advance=config.auto_advance,
        action_on_timeout=config.action_on_timeout,
        warning_thresholds_ms=config.warning_thresholds_ms,
        metadata=config.metadata,
        created_at=as_iso(state.created_ms),
        updated_at=as_iso(state.updated_ms),
        server_time_ms=reading.at_ms,
    )


def present_switch(
    state: State, now: Instant, expired_participant_id: UUID | None, action_applied: Json | None
) -> SwitchView:
    """The answer to a switch that led to this state."""
    reading = read(state, now)
    active = state.active_participant
    return SwitchView(
        session_id=state.session_id,
        active_participant_id=None if active is None else active.participant_id,
        cycle_started_at=_iso(state.cycle.started_ms),
        participants=_participants(state, reading.stretch_ms),
        status=state.status.value,
        version=state.version,
        server_time_ms=reading.at_ms,
        expired_participant_id=_given(expired_participant_id),
        action_applied=_given(action_applied),
    )


def present_summary(state: State, now: Instant) -> SummaryView:
    """A settled state in short."""
    reading = read(state, now)
    active = state.active_participant
    return SummaryView(
        session_id=state.session_id,
        status=state.status.value,
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
        **details(event),
    }


def _participants(state: State, stretch_ms: int) -> list[ParticipantView]:
    views = []
    for position, p in enumerate(state.participants):
        is_active = position == state.active
        views.append(
            ParticipantView(
                participant_id=p.participant_id,
                participant_index=p.participant_index,
                total_time_ms=p.total_time_ms,
                time_used_ms=p.time_used_ms + (stretch_ms if is_active else 0),
                time_remaining_ms=seat_left_ms(state, position, stretch_ms),
                cycle_count=p.cycle_count,
                is_active=is_active,
                has_expired=p.has_expired,
                group_id=_given(p.group_id),
                user_id=_given(p.user_id),
            )
        )
    return views


def _given(value: Any) -> Any:
    return UNSET if value is None else value


def _iso(at_ms: Instant | None) -> str | None:
    return None if at_ms is None else as_iso(at_ms)
