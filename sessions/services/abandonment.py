"""Letting sessions go in which nothing happens and at which nobody looks: only the timekeeper does.

Whoever reads or commands a session proves that it is alive, however long overdue its end is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from sessions.services.catch_up import TIMEKEEPER, count_events
from sessions.services.commits import write_of
from sessions.services.presence import BELIEVED_MS, present
from sessions.services.quotas import give_back
from sessions.services.retention import retention_ms, watched
from sessions.store import idle, presence, store, writes
from sessions.store.presence import Roll
from sessions.store.store import Snapshot
from sessions.store.writes import Done
from synckairos.conf import conf
from synckairos.engine import Decision, State, abandon, is_idle, round_ms, runs_by_itself
from synckairos.engine.deadlines import is_due
from synckairos.engine.units import Duration, Instant
from synckairos.errors import ServiceUnavailable
from synckairos.ops import alive_processes
from synckairos.redis import keys
from synckairos.redis.scripts import Call, send, send_all
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_BEHIND_MS: Duration = 60_000
"""When to look again at a session whose deadlines are to be applied first: the timekeeper has much to do."""

Verdict: TypeAlias = Decision | Call[bool]
"""The end of a session, or the note of why it is not its end yet."""


async def review(due: Mapping[UUID, Instant], now: Instant) -> list[UUID]:
    """Let go of those of a shard's sessions that are idle and watched by nobody; gives them.

    `due` has the instants for which they were noted, which have come. Raises ServiceUnavailable.
    """
    together = list(due)
    rolls = await send(presence.rolls(together))
    alive = await send(
        alive_processes.list_alive(keys.webs(), BELIEVED_MS)
    )  # after: who has told something has come before
    loads = await send_all([store.load(session_id) for session_id in together])
    ended: dict[UUID, tuple[Decision, Instant]] = {}
    notes: list[Call[bool]] = []
    for session_id, roll, loaded in zip(together, rolls, loads, strict=True):
        try:
            verdict = _verdict(session_id, due[session_id], loaded, is_watched=_is_watched(roll, alive))
        except ServiceUnavailable:
            raise
        except Exception:  # one broken session must not stop the others
            log.exception("idle session cannot be judged", session_id=str(session_id))
            verdict = idle.postpone(session_id, now + conf().idle_ttl_ms)
        if isinstance(verdict, Decision):
            ended[session_id] = verdict, now
        else:
            notes.append(verdict)
    if notes:
        await send_all(notes)
    return await _committed(ended)


def _is_watched(roll: Roll, alive: Mapping[str, int]) -> bool:
    return not present(roll, alive).attendance.is_empty


def _verdict(session_id: UUID, check_ms: Instant, loaded: Snapshot | Exception, *, is_watched: bool) -> Verdict:
    if isinstance(loaded, Exception):
        raise loaded
    state, now = loaded.state, loaded.now
    if state is None:
        return idle.forget(session_id)
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
        return watched(state.session_id)
    is_by_transition = at_ms == state.updated_ms + retention_ms(state)
    return abandon(state, at_ms, idle_since_ms=state.updated_ms if is_by_transition else at_ms - conf().idle_ttl_ms)


def _judged_running(state: State, now: Instant, check_ms: Instant, *, is_watched: bool) -> Verdict:
    """Of one that goes on by itself. Where a round takes longer than the retention, most had no turn yet."""
    retained_ms = conf().unattended_ttl_ms
    if round_ms(state) > retained_ms:
        return idle.postpone(state.session_id, now + retained_ms)
    if is_watched:
        return watched(state.session_id)
    at_ms = max(check_ms, state.updated_ms)
    if is_due(state, at_ms):  # it comes first
        return idle.postpone(state.session_id, now + _BEHIND_MS)
    return abandon(state, at_ms, idle_since_ms=check_ms - retained_ms)


async def _committed(ended: Mapping[UUID, tuple[Decision, Instant]]) -> list[UUID]:
    """Those of the ends that are in: of the others somebody has done something meanwhile. Raises ServiceUnavailable."""
    if not ended:
        return []
    ends = [write_of(end, now, TIMEKEEPER) for end, now in ended.values()]
    replies = await send_all([writes.commit(end) for end in ends])
    await give_back([end for end, reply in zip(ends, replies, strict=True) if isinstance(reply, Done)])
    gone, failed = [], []
    for (session_id, (decision, now)), reply in zip(ended.items(), replies, strict=True):
        if isinstance(reply, Done):
            count_events(decision)
            gone.append(session_id)
        elif isinstance(reply, Exception):
            failed.append((session_id, now, reply))
    if failed:
        await _put_off(failed)
    return gone


async def _put_off(failed: Sequence[tuple[UUID, Instant, Exception]]) -> None:
    """Look again later at those whose end the store would not take, each with the instant and the reason. Raises
    ServiceUnavailable when it cannot serve: then all of them are as they were."""
    away = next((fault for *_, fault in failed if isinstance(fault, ServiceUnavailable)), None)
    if away is not None:
        raise away
    for session_id, _, fault in failed:
        log.error("idle session put off", session_id=str(session_id), error=type(fault).__name__)
    await send_all([idle.postpone(session_id, now + conf().idle_ttl_ms) for session_id, now, _ in failed])
