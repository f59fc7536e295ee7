"""Commits of a session that the audit has not stored: on their way to it, or set aside for staff."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any
from uuid import UUID

import msgspec

from sessions.store.lua import FOLDER
from synckairos import outbox
from synckairos.engine.events import SessionDeleted
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_UNSTORED = Script(FOLDER / "unstored.lua")
_LOOKED_AT = 500
"""Number of entries of each stream that are looked at: the store serves nobody else for that time."""


class Unstored(Enum):
    """The newest change of a session that the audit has not stored."""

    NOTHING = auto()
    COMMITS = auto()
    DELETION = auto()
    UNKNOWN = auto()
    """Too many entries wait to look at all of them; none of those that were looked at is of the session."""


def unstored(session_id: UUID) -> Call[Unstored | None]:
    """Check what the audit has not stored of a session that has left the store; None for one that the store has.

    Of entries that were set aside only the newest count, since staff may leave them for long.
    """
    shard = keys.shard_of(session_id)
    names = [keys.state(session_id), *keys.undrained_outboxes(shard), keys.outbox_dead(shard)]
    return Call(_UNSTORED, names, [session_id.bytes, _LOOKED_AT], _parse)


def _parse(reply: list[Any]) -> Unstored | None:
    kind, *entries = reply
    if kind == b"live":
        return None
    if any(map(_is_deletion, entries)):
        return Unstored.DELETION
    if entries:
        return Unstored.COMMITS
    return Unstored.UNKNOWN if kind == b"cut" else Unstored.NOTHING


def _is_deletion(data: bytes) -> bool:
    """Return whether an entry deletes its session; false for one that this release cannot read."""
    try:
        events = outbox.decode(data).events
    except (outbox.Newer, msgspec.DecodeError, ValueError):
        return False
    return any(isinstance(event, SessionDeleted) for event in events)
