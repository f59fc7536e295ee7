"""Well-formed bodies as the hot door takes them: checked by msgspec in one go, and made into commands.

They say yes or no. Whatever they do not take goes to the DRF serializers (sessions/rest/bodies.py), which take more (a
scheduled start, say) and find the words for what is wrong; a test compares the two. All raise ValueError
(msgspec.ValidationError is one).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from sessions.bounds import (
    MAX_INCREMENT_MS,
    MAX_INDEX,
    MAX_VERSION,
    MAX_WARNINGS,
    MIN_TIME_MS,
    object_problem,
)
from synckairos import ids
from synckairos.auth.names import is_name
from synckairos.auth.permissions import PARTICIPANT_PERMISSIONS
from synckairos.conf import conf
from synckairos.engine import MAX_PARTICIPANTS, MAX_TIME_MS, SyncMode, TimeoutAction, commands, problems
from synckairos.engine.state import Access
from synckairos.engine.units import Json, Visibility

Time: TypeAlias = Annotated[int, Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)]
Version: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_VERSION)]

_COMMANDS: dict[str, type[commands.Start | commands.Pause | commands.Resume | commands.Complete | commands.Cancel]] = {
    "start": commands.Start,
    "pause": commands.Pause,
    "resume": commands.Resume,
    "complete": commands.Complete,
    "cancel": commands.Cancel,
}


class VersionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A command without arguments."""

    expected_version: Version | None = None


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A switch."""

    next_participant_id: str | None = None
    current_participant_id: str | None = None
    expected_version: Version | None = None


class SeatBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One participant."""

    participant_id: str
    total_time_ms: Time
    participant_index: Annotated[int, Meta(ge=0, le=MAX_INDEX)] | None = None
    group_id: str | None = None
    user_id: str | None = None


class GroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One group's bank."""

    group_id: str
    total_time_ms: Time


class CreateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new session that is not scheduled."""

    sync_mode: SyncMode
    session_id: str | None = None
    participants: Annotated[list[SeatBody], Meta(max_length=MAX_PARTICIPANTS)] = []
    groups: Annotated[list[GroupBody], Meta(max_length=MAX_PARTICIPANTS)] = []
    total_time_ms: Time | None = None
    time_per_cycle_ms: Time | None = None
    increment_ms: Annotated[int, Meta(ge=0, le=MAX_INCREMENT_MS)] | None = None
    max_time_ms: Time | None = None
    metadata: dict[str, Any] | None = None
    active_participant_id: str | None = None
    auto_advance: bool = False
    action_on_timeout: dict[str, Any] | None = None
    warning_thresholds_ms: Annotated[
        list[Annotated[int, Meta(ge=1, le=MAX_TIME_MS)]], Meta(max_length=MAX_WARNINGS)
    ] = []
    visibility: Visibility | None = None
    permissions: Annotated[list[str], Meta(max_length=len(PARTICIPANT_PERMISSIONS))] = []


def command(verb: str, decoded: Any) -> commands.Command:
    """The command of a decoded body."""
    if verb != "switch":
        return _COMMANDS[verb](msgspec.convert(decoded, VersionBody).expected_version)
    body = msgspec.convert(decoded, SwitchBody)
    return commands.Switch(
        _id_or_none(body.next_participant_id), _id_or_none(body.current_participant_id), body.expected_version
    )


def creation(decoded: Any, owner: str) -> tuple[commands.Create, UUID | None]:
    """The creation of a decoded body, for its owner, and the id that was asked for."""
    body = msgspec.convert(decoded, CreateBody)
    if not set(body.permissions) <= set(PARTICIPANT_PERMISSIONS):
        raise ValueError
    if body.action_on_timeout is not None and body.action_on_timeout.get("type") not in list(TimeoutAction):
        raise ValueError
    create = commands.Create(
        sync_mode=body.sync_mode,
        participants=tuple([_seat(seat) for seat in body.participants]),
        groups=tuple([commands.GroupBank(_id(group.group_id), group.total_time_ms) for group in body.groups]),
        total_time_ms=body.total_time_ms,
        time_per_cycle_ms=body.time_per_cycle_ms,
        increment_ms=body.increment_ms or 0,
        max_time_ms=body.max_time_ms,
        auto_advance=body.auto_advance,
        action_on_timeout=_carried(body.action_on_timeout),
        warning_thresholds_ms=tuple(body.warning_thresholds_ms),
        active_participant_id=_id_or_none(body.active_participant_id),
        metadata=_carried(body.metadata),
        access=Access(owner, body.visibility or conf().default_visibility, tuple(sorted(set(body.permissions)))),
    )
    if problems(create):
        raise ValueError
    return create, _id_or_none(body.session_id)


def _seat(seat: SeatBody) -> commands.Seat:
    return commands.Seat(
        participant_id=_id(seat.participant_id),
        total_time_ms=seat.total_time_ms,
        participant_index=seat.participant_index,
        group_id=_id_or_none(seat.group_id),
        user_id=_name_or_none(seat.user_id),
    )


def _carried(data: Json | None) -> Json | None:
    if data is not None and object_problem(data) is not None:
        raise ValueError
    return data


def _name_or_none(text: str | None) -> str | None:
    if text is not None and not is_name(text):
        raise ValueError
    return text


def _id(text: str) -> UUID:
    parsed = ids.parse_uuid(text)
    if parsed is None:
        raise ValueError
    return parsed


def _id_or_none(text: str | None) -> UUID | None:
    return None if text is None else _id(text)
