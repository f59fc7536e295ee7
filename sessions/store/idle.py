"""Sessions in which nothing happens, or only by itself: when it is time to see whether to let each go. No I/O here.

A session without a deadline is in its shard's set from the commit that left it none. Where a commit has given it one
again without a change of its status, its place there is out of date, and means nothing. One that goes on by itself is
there from the command that has set it going, or else from the first deadline of it that was applied.
"""

from __future__ import annotations

from uuid import UUID

from sessions.store.lua import FOLDER
from sessions.store.store import Due, due_in, forget_in
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

# A full store goes on with these: they change numbers that are there.
_ALIVE = Script(FOLDER / "refresh_idle.lua", allow_oom=True)
_POSTPONE = Script(FOLDER / "postpone_idle.lua", allow_oom=True)


def due(shard: int, limit: int) -> Call[Due]:
    """The sessions of a shard whose time has come, the longest overdue first."""
    return due_in(keys.idle(shard), limit)


def alive(session_id: UUID, for_ms: Duration, kept_on_ms: Duration, with_deadline_ms: Duration) -> Call[bool]:
    """There is a sign of life: an idle session is not let go for so long (one that has a deadline, for so long), and
    kept for so much longer than that. False when it is not noted, and when the store takes no writes: whoever reads is
    answered all the same."""
    shard = keys.shard_of(session_id)
    names = [keys.idle(shard), keys.state(session_id), keys.recent(session_id), keys.deadlines(shard)]
    return Call(_ALIVE, names, [keys.id_text(session_id), for_ms, kept_on_ms, with_deadline_ms], bool, if_full=False)


def postpone(session_id: UUID, at_ms: Instant) -> Call[bool]:
    """See again at this instant."""
    return Call(_POSTPONE, [keys.idle(keys.shard_of(session_id))], [keys.id_text(session_id), at_ms], bool)


def forget(session_id: UUID) -> Call[bool]:
    """Take away a session that is gone; False when it exists, and stays."""
    return forget_in(keys.idle(keys.shard_of(session_id)), session_id)
