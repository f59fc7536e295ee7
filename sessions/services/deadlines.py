"""Applying deadlines to many sessions in two round trips: the timekeeper's door to the service.

The rules are those of every other door (sessions/services/sessions.py): observe, then commit. Whoever loses the race
has nothing left to do, because the winner applied the deadline first.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from uuid import UUID

from msgspec import Struct

from sessions.services.catch_up import TIMEKEEPER, count_events
from sessions.services.commits import write_of
from sessions.services.quotas import give_back
from sessions.store import store, writes
from sessions.store.codec import Unreadable
from sessions.store.store import Snapshot
from sessions.store.writes import CommitReply, Done, Gone, Heard, Write
from synckairos.engine import Decision, State, observe
from synckairos.engine.units import Instant
from synckairos.errors import ServiceUnavailable
from synckairos.redis import client as stores
from synckairos.redis.scripts import send_all

PORTION = 32
"""Most transitions of one session that are applied at a time: others are waiting."""

LARGE = 100
"""Participants from which on the frame costs more than to ask whether anybody wants it."""


class Fate(Enum):
    """What became of one session."""

    APPLIED = "applied"
    NOTHING_DUE = "nothing due"
    """Somebody else was faster, or the deadline has moved."""
    GONE = "gone"
    LATER = "later"
    """The store refused; the session is as it was."""
    BROKEN = "broken"
    """Its state cannot be read, or the engine fails on it."""


class Applied(Struct, frozen=True):
    """One session's fate; `fault` says what went wrong."""

    session_id: UUID
    fate: Fate
    fault: Exception | None = None
    at_ms: Instant = 0
    """When it was applied."""
    state: State | None = None
    """What it has led to, or would have."""


class _Due(Struct, frozen=True):
    session_id: UUID
    decision: Decision
    write: Write
    at_ms: Instant


async def apply_due(session_ids: Sequence[UUID]) -> list[Applied]:
    """Apply what is due in each session, at most one portion each. Raises ServiceUnavailable."""
    loads = await send_all([store.load(session_id) for session_id in session_ids])
    decided = [_decide(session_id, loaded) for session_id, loaded in zip(session_ids, loads, strict=True)]
    due = [item for item in decided if isinstance(item, _Due)]
    replies = await _committed(due)
    settled = [item for item in decided if isinstance(item, Applied)]
    return settled + [_fate(item, reply) for item, reply in zip(due, replies, strict=True)]


async def _committed(due: Sequence[_Due]) -> list[CommitReply | Exception]:
    """What has become of their writes; of those that were made up without a frame and are heard, with one."""
    if not due:
        return []
    replies = await send_all([writes.commit(item.write) for item in due])
    heard = [place for place, reply in enumerate(replies) if isinstance(reply, Heard)]
    if heard:
        again = [writes.commit(write_of(due[place].decision, due[place].at_ms, TIMEKEEPER)) for place in heard]
        later = await send_all(again)
        for place, reply in zip(heard, later, strict=True):
            replies[place] = reply
    await give_back([item.write for item, reply in zip(due, replies, strict=True) if isinstance(reply, Done)])
    return replies


def _decide(session_id: UUID, loaded: Snapshot | Exception) -> _Due | Applied:
    if isinstance(loaded, ServiceUnavailable):
        raise loaded
    if isinstance(loaded, Unreadable):
        return Applied(session_id, Fate.BROKEN, loaded)
    if isinstance(loaded, Exception):
        return Applied(session_id, Fate.LATER, loaded)
    if loaded.state is None:
        return Applied(session_id, Fate.GONE)
    try:
        return _due(session_id, loaded.state, loaded.now)
    except Exception as fault:  # noqa: BLE001 - one broken session must not stop the others
        return Applied(session_id, Fate.BROKEN, fault)


def _due(session_id: UUID, state: State, now: Instant) -> _Due | Applied:
    decision = observe(state, now, limit=PORTION)
    if not decision.events:
        return Applied(session_id, Fate.NOTHING_DUE, state=state)
    unheard = len(state.participants) >= LARGE and stores.is_in_one_place()
    return _Due(session_id, decision, write_of(decision, now, TIMEKEEPER, unheard=unheard), now)


def _fate(item: _Due, reply: CommitReply | Exception) -> Applied:
    state = item.decision.state
    match reply:
        case ServiceUnavailable():
            raise reply
        case Exception():
            return Applied(item.session_id, Fate.LATER, reply, state=state)
        case Done():
            count_events(item.decision)
            return Applied(item.session_id, Fate.APPLIED, at_ms=item.at_ms, state=state)
        case Gone():
            return Applied(item.session_id, Fate.GONE)
        case _:
            return Applied(item.session_id, Fate.NOTHING_DUE, state=state)
