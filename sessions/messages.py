"""Encoding and decoding of WebSocket frames (docs/protocol.md), whose structs are in `sessions/frames.py`.

Every frame about a state has a `version` and is complete in itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from sessions import frames
from sessions.presentation import present, present_event, to_json
from sessions.requests.values import decode_hook
from sessions.schemas import StateView
from synckairos.engine.events import Event, ParticipantExpired, ParticipantWarned
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.errors import ApiError, ValidationFailed
from synckairos.http import json_bounds
from synckairos.http.duplicate_names import DuplicateName, check_unique_names
from synckairos.instants import as_iso

# ── server to client ──────────────────────────────────────────────────────────────────────────────────────────────


def connected(session_id: UUID, state: State | None, now: Instant) -> bytes:
    """Encode `CONNECTED`, the first frame of a socket; `state` is None for a session that does not exist yet."""
    return to_json(
        frames.Connected(
            session_id=session_id,
            timestamp=now,
            epoch=None if state is None else state.epoch,
            version=None if state is None else state.version,
            state=None if state is None else present(state, now),
        )
    )


def state_update(
    state: State, now: Instant, since_version: int, events: Sequence[Event], view: StateView | None = None
) -> bytes:
    """Encode `STATE_UPDATE`: the state, and the events after `since_version`. `view` is the presented state."""
    return to_json(
        frames.StateUpdate(
            session_id=state.session_id,
            timestamp=now,
            epoch=state.epoch,
            version=state.version,
            since_version=since_version,
            events=[present_event(event) for event in events],
            state=view or present(state, now),
        )
    )


def state_sync(
    state: State, now: Instant, *, recovered: bool, since_version: int | None, missed: Sequence[Event]
) -> bytes:
    """Encode `STATE_SYNC`, the answer to `RECONNECT`. `missed` is complete when `recovered`, else empty."""
    return to_json(
        frames.StateSync(
            session_id=state.session_id,
            timestamp=now,
            epoch=state.epoch,
            version=state.version,
            since_version=since_version,
            recovered=recovered,
            missed=[present_event(event) for event in missed],
            state=present(state, now),
        )
    )


def time_warning(session_id: UUID, epoch: str, event: ParticipantWarned, now: Instant) -> bytes:
    """Encode `TIME_WARNING`: the remaining time has reached a threshold."""
    return to_json(
        frames.TimeWarning(
            session_id=session_id,
            timestamp=now,
            epoch=epoch,
            version=event.version,
            participant_id=event.participant_id,
            threshold_ms=event.threshold_ms,
            time_remaining_ms=event.time_remaining_ms,
        )
    )


def time_expired(session_id: UUID, epoch: str, event: ParticipantExpired, now: Instant) -> bytes:
    """Encode `TIME_EXPIRED`: a clock has expired, with the action that followed."""
    return to_json(
        frames.TimeExpired(
            session_id=session_id,
            timestamp=now,
            epoch=epoch,
            version=event.version,
            expired_participant_id=event.participant_id,
            expired_at=as_iso(event.at_ms),
            action_applied=event.action_applied,
        )
    )


def session_deleted(session_id: UUID, now: Instant) -> bytes:
    """Encode `SESSION_DELETED`, which close code 1000 follows."""
    return to_json(frames.SessionDeleted(session_id=session_id, timestamp=now))


def presence(session_id: UUID, now: Instant, connected: Sequence[UUID]) -> bytes:
    """Encode `PRESENCE`: the participants with a connected client."""
    return to_json(frames.Presence(session_id=session_id, timestamp=now, connected=list(connected)))


def pong(received_ms: Instant, sent_ms: Instant, client_timestamp: Any) -> bytes:
    """Encode `PONG` with the two server instants and the client's own."""
    return to_json(
        frames.Pong(
            timestamp=sent_ms,
            server_received_ms=received_ms,
            server_sent_ms=sent_ms,
            client_timestamp=client_timestamp,
        )
    )


def ack(command_id: Any, version: int, data: Any) -> bytes:
    """Encode `ACK`: the command with this id succeeded."""
    return to_json(frames.Ack(id=command_id, version=version, data=data))


def authenticated(command_id: Any, version: int, expires_at_ms: Instant) -> bytes:
    """Encode the `ACK` of an `AUTH` with the expiry of the credentials. The version is 0 without a session."""
    return ack(command_id, version, frames.AuthenticatedView(expires_at=as_iso(expires_at_ms)))


def error(failure: ApiError, command_id: Any = None) -> bytes:
    """Encode `ERROR`: the last frame, or the command with this id, failed."""
    retry_after_seconds = failure.retry_after_seconds
    return to_json(
        frames.Error(
            code=failure.code,
            message=failure.text,
            details=UNSET if failure.details is None else failure.details,
            retry_after_seconds=UNSET if retry_after_seconds is None else retry_after_seconds,
            id=UNSET if command_id is None else command_id,
        )
    )


# ── client to server ──────────────────────────────────────────────────────────────────────────────────────────────

_client_frames: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    Union[frames.CLIENT_FRAMES],  # noqa: UP007 - made from the table of commands
    dec_hook=decode_hook,
)


class _Identified(Struct, frozen=True):
    id: str | int | None = None


_identified = msgspec.json.Decoder(_Identified)


def command_id_of(text: str) -> str | int | None:
    """Return the id of a frame that is otherwise unreadable; None without a valid id."""
    try:
        return _identified.decode(text).id
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def read_client_frame(text: str) -> Any:
    """Validate and return a client's frame, one of `CLIENT_FRAMES`. Raises ValidationFailed."""
    if len(text) > json_bounds.MAX_DEPTH:  # a shorter one cannot be too large
        excess = json_bounds.size_error(text.encode(errors="replace"), json_bounds.MAX_FRAME_VALUES)
        if excess is not None:
            raise ValidationFailed([("frame", excess)])
    try:
        frame = _client_frames.decode(text)
        check_unique_names(text, frame)
    except (msgspec.ValidationError, DuplicateName) as error:
        raise ValidationFailed([("frame", str(error))]) from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise ValidationFailed([("frame", "Malformed JSON.")]) from None
    return frame
