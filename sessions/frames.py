"""Structs of all WebSocket frames, by direction (docs/protocol.md), with their documentation.

`/asyncapi.json` is generated from these structs and their docstrings. One text frame is one JSON object; `type` comes
first, a state last. Later versions may add fields and types, and remove none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias, get_type_hints
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, structs

from sessions.commands import COMMAND_BY_VERB, CommandType
from sessions.schemas import InstantMs, InstantText, Milliseconds, StateView, Version
from synckairos.auth.principal import MAX_TOKEN_LENGTH
from synckairos.engine.units import Instant, Json
from synckairos.errors import ApiError
from synckairos.http.openapi import ref


def _codes(kind: type[ApiError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))


Timestamp: TypeAlias = Annotated[
    Instant, Meta(ge=0, description="Milliseconds on the store's clock, of the commit or the answer.")
]
Epoch: TypeAlias = Annotated[str, Meta(description="Tells apart two sessions that had the same id.")]
SinceVersion: TypeAlias = Annotated[int, Meta(ge=0, description="Where this began; 0 for the creation.")]
EventJson: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema=ref("Event"))]
ErrorCode: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": sorted(_codes(ApiError))})]
AckData: TypeAlias = Annotated[
    Any, Meta(extra_json_schema={"anyOf": [ref("StateView"), ref("SwitchView"), ref("AuthenticatedView")]})
]
CommandId: TypeAlias = Annotated[
    str | int | None,
    Meta(description="Yours; comes back in the answer. A repeated one gets the first answer and changes nothing."),
]


# ── server to client ──────────────────────────────────────────────────────────────────────────────────────────────


class SessionFrame(Struct, kw_only=True, rename={"session_id": "sessionId"}):
    """A frame about one session."""

    session_id: UUID
    timestamp: Timestamp


class VersionFrame(SessionFrame, kw_only=True):
    """A frame about one version of a session."""

    epoch: Epoch
    version: Version


class Connected(SessionFrame, kw_only=True, tag="CONNECTED"):
    """The first frame of every socket: the current session, or nulls when it does not exist yet."""

    epoch: Epoch | None
    version: Version | None
    state: StateView | None


class StateUpdate(VersionFrame, kw_only=True, tag="STATE_UPDATE"):
    """The whole session after a commit, with the events after `since_version`.

    `state` replaces every earlier state. If `since_version` is above the last version received, events were missed.
    """

    since_version: SinceVersion
    events: list[EventJson]
    state: StateView


class StateSync(VersionFrame, kw_only=True, tag="STATE_SYNC"):
    """The answer to `RECONNECT`: the whole session. `missed` is complete when `recovered`, else empty."""

    since_version: SinceVersion | None
    recovered: bool
    missed: list[EventJson]
    state: StateView


class TimeWarning(VersionFrame, kw_only=True, tag="TIME_WARNING"):
    """The remaining time has reached one of the session's thresholds. Sent before the resulting state."""

    participant_id: UUID | None
    threshold_ms: Milliseconds
    time_remaining_ms: Milliseconds


class TimeExpired(VersionFrame, kw_only=True, tag="TIME_EXPIRED"):
    """A clock has expired; `action_applied` is the action that followed. Sent before the resulting state."""

    expired_participant_id: UUID | None
    expired_at: InstantText
    action_applied: Json


class SessionDeleted(SessionFrame, kw_only=True, tag="SESSION_DELETED"):
    """The session was deleted. The socket closes with 1000 after it."""


class Presence(SessionFrame, kw_only=True, tag="PRESENCE"):
    """All participants with a connected client. Sent soon after `CONNECTED`, and after every change."""

    connected: list[UUID]


class Pong(Struct, kw_only=True, tag="PONG"):
    """The answer to `PING`. The two server instants and the client's own give the offset of the client's clock."""

    timestamp: InstantMs
    server_received_ms: InstantMs
    server_sent_ms: InstantMs
    client_timestamp: int | float | str | UnsetType | None = UNSET


class AuthenticatedView(Struct, kw_only=True):
    """The data of the answer to `AUTH`: the expiry of the socket's credentials."""

    expires_at: InstantText


class Ack(Struct, kw_only=True, tag="ACK"):
    """A command has succeeded. `data` is the session, the result of a `SWITCH`, or the new expiry after `AUTH`."""

    id: str | int | None
    version: Annotated[int, Meta(ge=0, description="Of the session afterwards; 0 when there is none.")]
    data: AckData


class Problem(Struct, kw_only=True):
    """A wrong field, and its problem."""

    field: str
    message: str


class Error(Struct, kw_only=True, tag="ERROR"):
    """A frame could not be read, or a command has failed. The socket stays open unless a close follows.

    `id` is the id of the command, if it had a readable one.
    """

    code: ErrorCode
    message: str
    details: list[Problem] | Json | UnsetType = UNSET
    retry_after_seconds: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    id: str | int | UnsetType = UNSET


SERVER_FRAMES: tuple[type[Struct], ...] = (
    Connected,
    StateUpdate,
    StateSync,
    TimeWarning,
    TimeExpired,
    SessionDeleted,
    Presence,
    Pong,
    Ack,
    Error,
)


# ── client to server ──────────────────────────────────────────────────────────────────────────────────────────────


class Ping(Struct, frozen=True, tag="PING"):
    """Request the server's time, which `PONG` answers. `timestamp` is returned unchanged."""

    timestamp: int | float | str | UnsetType | None = UNSET


class Reconnect(Struct, frozen=True, tag="RECONNECT"):
    """Request the session and the events after the last version received, which `STATE_SYNC` answers.

    Counts as a request.
    """

    last_version: int | None = None
    epoch: str | None = None


def _command_frame(row: CommandType) -> type[Struct]:
    """Return the frame of a command: the fields of its REST body, and an `id`."""
    types = get_type_hints(row.body, include_extras=True)
    fields = [(field.name, types[field.name], field.default) for field in structs.fields(row.body)]
    summary, _, more = row.summary.partition(". ")
    return defstruct(
        row.kind.__name__,
        [("id", CommandId, None), *fields],
        namespace={"__doc__": f"{summary}.\n\n{more}".strip()},
        frozen=True,
        kw_only=True,  # a field without a default may follow the id
        tag=row.frame,
    )


COMMAND_BY_FRAME: Mapping[type[Struct], CommandType] = MappingProxyType(
    {_command_frame(row): row for row in COMMAND_BY_VERB.values()}
)


class Auth(Struct, frozen=True, tag="AUTH"):
    """Replace the socket's credentials by fresh ones of the same person, before or shortly after the old ones expire.

    Counts as a request, unless the socket has this token already.
    """

    token: Annotated[str, Meta(max_length=MAX_TOKEN_LENGTH, description="A bearer token, without `Bearer`.")]
    id: Annotated[str | int | None, Meta(description="Yours; comes back in the answer.")] = None


CLIENT_FRAMES: tuple[type[Struct], ...] = (Ping, Reconnect, *COMMAND_BY_FRAME, Auth)
