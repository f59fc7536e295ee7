"""A state as clients see it (docs/protocol.md): the same object over REST and WebSocket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from sessions import clock_views
from sessions.schemas import StateView, SummaryView, SwitchView
from synckairos.engine import read
from synckairos.engine.event_data import fields_of
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant, Json
from synckairos.instants import as_iso

_json = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """Any view, or plain data with views in it, as JSON."""
    return _json.encode(value)


def present(state: State, now: Instant) -> StateView:
    """A settled state at an instant."""
    reading = read(state, now)
    active, participants = state.active_participant, clock_views.participants(state, reading)
    config, cycle, access = state.config, state.cycle, state.access
    return StateView(
        session_id=state.session_id,
        epoch=state.epoch,
        sync_mode=config.sync_mode,
        status=state.status,
        version=state.version,
        participants=participants,
        groups=clock_views.groups(state, reading, participants),
        active_participant_id=None if active is None else active.participant_id,
        active_group_id=None if active is None else active.group_id,
        total_time_ms=config.total_time_ms,
        time_per_cycle_ms=config.time_per_cycle_ms,
        increment_ms=config.increment_ms,
        max_time_ms=UNSET if config.max_time_ms is None else config.max_time_ms,
        time_control=config.time_control,
        lag_compensation=config.compensates_lag,
        cycle_number=cycle.number,
        cycle_started_at=None if cycle.started_ms is None else as_iso(cycle.started_ms),
        session_started_at=None if state.started_ms is None else as_iso(state.started_ms),
        session_completed_at=None if state.completed_ms is None else as_iso(state.completed_ms),
        start_at=None if config.start_at_ms is None else as_iso(config.start_at_ms),
        drains_from=None if reading.drains_from_ms is None else as_iso(reading.drains_from_ms),
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
        participants=clock_views.participants(state, read(state, now)) if view is None else view.participants,
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


def _given(value: Any) -> Any:
    return UNSET if value is None else value
