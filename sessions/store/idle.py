"""Idle sessions, and those that change only by deadlines: the instant of each one's next review. No I/O happens here.

A session without a deadline is in its shard's set since the commit that left it without one. A later commit that gives
it a deadline without a change of status leaves its member there, out of date and without effect. A session that
switches by itself is there since the command that started this, or else since its first applied deadline.
"""

from __future__ import annotations

from uuid import UUID

from sessions.store.lua import FOLDER
from sessions.store.store import Due, due_members, remove_member
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

# A full store runs these, because they only change existing numbers.
_REFRESH_IDLE = Script(FOLDER / "refresh_idle.lua", allow_oom=True)
_POSTPONE = Script(FOLDER / "postpone_idle.lua", allow_oom=True)


def due(shard: int, limit: int) -> Call[Due]:
    """Read the sessions of a shard whose review is due, the longest overdue first."""
    return due_members(keys.idle(shard), limit)


def extend(session_id: UUID, for_ms: Duration, kept_on_ms: Duration, with_deadline_ms: Duration) -> Call[bool]:
    """Postpone the review of an idle session after a sign of life, by `for_ms` (`with_deadline_ms` with a deadline).

    The state is kept for `kept_on_ms` more. False when nothing was changed, or the store takes no writes.
    """
    shard = keys.shard_of(session_id)
    names = [keys.idle(shard), keys.state(session_id), keys.recent(session_id), keys.deadlines(shard)]
    return Call(
        _REFRESH_IDLE, names, [keys.id_text(session_id), for_ms, kept_on_ms, with_deadline_ms], bool, if_full=False
    )


def postpone(session_id: UUID, at_ms: Instant) -> Call[bool]:
    """Set the instant of the next review, unless it is later already."""
    return Call(_POSTPONE, [keys.idle(keys.shard_of(session_id))], [keys.id_text(session_id), at_ms], bool)


def remove(session_id: UUID) -> Call[bool]:
    """Remove a session that is deleted; False when it exists."""
    return remove_member(keys.idle(keys.shard_of(session_id)), session_id)
