"""Abandonment: the timekeeper ends idle sessions without viewers. A read or a command keeps a session, however long
overdue its end is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias
from uuid import UUID

from sessions.services.commits import write_of
from sessions.services.deadlines import TIMEKEEPER, count_events
from sessions.services.presence_queries import ALIVE_WITHIN_MS, present
from sessions.services.quotas import commit
from sessions.services.retention import note_activity, retention_ms
from sessions.store import idle, presence_records, store
from sessions.store.store import Snapshot
from sessions.store.writes import Committed
from synckairos.conf import conf
from synckairos.engine import Decision, State, abandon, is_idle, round_ms, runs_by_itself
from synckairos.engine.deadlines import is_due
from synckairos.engine.units import Duration, Instant
from synckairos.errors import ServiceUnavailable
from synckairos.ops import alive_processes
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform, run_many
from synckairos.redis.scripts import Call, send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_BEHIND_MS: Duration = 60_000
"""The delay for a session whose deadlines have to be applied first, since the timekeeper is behind."""

Verdict: TypeAlias = Decision | Call[bool]
"""The end of a session, or the note that it does not end yet."""


async def review(due: Mapping[UUID, Instant], now: Instant) -> list[UUID]:
    """End those of a shard's sessions that are idle and have no viewers; return their ids.

    `due` has the instants for which they were noted, which have come. Raises ServiceUnavailable.
    """
    together = list(due)
    counts_of_sessions = await send(presence_records.load_client_counts(together))
    # After the counts_of_sessions: a process is alive before it tells who is connected to it.
    alive = await send(alive_processes.list_alive(keys.web_processes(), ALIVE_WITHIN_MS))
    ended = await run_many(
        [
            _review(session_id, due[session_id], now, is_watched=not present(counts, alive).client_counts.is_empty)
            for session_id, counts in zip(together, counts_of_sessions, strict=True)
        ]
    )
    return [session_id for session_id, is_ended in zip(together, ended, strict=True) if is_ended]


def _review(session_id: UUID, check_ms: Instant, now: Instant, *, is_watched: bool) -> Procedure[bool]:
    """End a session, or note when to look at it again; return whether it was ended."""
    try:
        snapshot = yield from perform(store.load(session_id))
        verdict = _verdict(session_id, check_ms, snapshot, is_watched=is_watched)
    except ServiceUnavailable:
        raise
    except Exception:  # a broken session must not stop the others
        log.exception("idle session cannot be judged", session_id=str(session_id))
        verdict = idle.postpone(session_id, now + conf().idle_ttl_ms)
    if not isinstance(verdict, Decision):
        yield from _note(verdict)
        return False
    try:
        reply = yield from commit(write_of(verdict, now, TIMEKEEPER))
    except ServiceUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - likewise
        log.error("idle session put off", session_id=str(session_id), error=type(error).__name__)  # noqa: TRY400 - briefly
        yield from _note(idle.postpone(session_id, now + conf().idle_ttl_ms))
        return False
    if isinstance(reply, Committed):
        count_events(verdict)
    return isinstance(reply, Committed)


def _note(call: Call[bool]) -> Procedure[None]:
    """Write a note. One that fails is written with the next review."""
    with suppress(ServiceUnavailable, *redis_client.ERRORS):
        yield call


def _verdict(session_id: UUID, check_ms: Instant, snapshot: Snapshot, *, is_watched: bool) -> Verdict:
    state, now = snapshot.state, snapshot.now
    if state is None:
        return idle.remove(session_id)
    if runs_by_itself(state):
        return _judged_running(state, now, check_ms, is_watched=is_watched)
    if not is_idle(state):  # it has a deadline by now: what that leaves is noted anew
        return idle.postpone(session_id, now + conf().idle_ttl_ms)
    return _judged(state, now, check_ms, is_watched=is_watched)


def _judged(state: State, now: Instant, check_ms: Instant, *, is_watched: bool) -> Verdict:
    at_ms = max(check_ms, state.updated_ms + retention_ms(state))
    if at_ms > now:
        return idle.postpone(state.session_id, at_ms)
    if is_watched:
        return note_activity(state.session_id)
    is_by_transition = at_ms == state.updated_ms + retention_ms(state)
    return abandon(state, at_ms, idle_since_ms=state.updated_ms if is_by_transition else at_ms - conf().idle_ttl_ms)


def _judged_running(state: State, now: Instant, check_ms: Instant, *, is_watched: bool) -> Verdict:
    """Return the verdict on a session that runs by itself. It is kept when a round takes longer than the retention."""
    retained_ms = conf().unattended_ttl_ms
    if round_ms(state) > retained_ms:
        return idle.postpone(state.session_id, now + retained_ms)
    if is_watched:
        return note_activity(state.session_id)
    at_ms = max(check_ms, state.updated_ms)
    if is_due(state, at_ms):  # it comes first
        return idle.postpone(state.session_id, now + _BEHIND_MS)
    return abandon(state, at_ms, idle_since_ms=check_ms - retained_ms)
