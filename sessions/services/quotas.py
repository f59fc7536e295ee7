"""Quotas: how many sessions an owner may have that have not ended, and how many of them that switch by themselves.

Both count from the creation on, so nothing is refused later, not even a start (docs/consistency.md#places).
"""

from __future__ import annotations

from sessions.services.retention import GRACE_MS
from sessions.store import owner_quotas, writes
from sessions.store.owner_quotas import QuotaChange
from sessions.store.writes import CommitReply, CommitRequest, Committed, QuotaFull, StoreRefused
from synckairos.auth.principal import Principal
from synckairos.conf import conf
from synckairos.engine import Decision
from synckairos.engine.state import State
from synckairos.engine.units import Duration
from synckairos.errors import SessionLimitExceeded
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Pipeline
from synckairos.telemetry import metrics

CHECK_AFTER_MS: Duration = 15_000
"""The age from which a place is checked: the commit that has claimed it is in by then, or never will be."""
_ANY = 2**53
"""A number of places that no owner reaches."""
MAX_CHECKED = 64
"""Most places that are checked for one creation that finds none."""


def places_taken(state: State, creator: Principal) -> QuotaChange | None:
    """Return the places of a new session; None where there are no quotas."""
    settings, owner = conf(), state.access.owner
    of_service = creator.is_service
    live = settings.sessions_per_service if of_service else settings.sessions_per_owner
    running = settings.self_running_per_service if of_service else settings.self_running_per_owner
    sets = []
    if running is not None and state.config.skips_on_timeout:
        sets.append((keys.self_running_sessions(owner), running))
    if live is not None:
        sets.append((keys.live_sessions(owner), live))
    if not owner or not sets:
        return None
    return QuotaChange(_member(state), tuple([name for name, _ in sets]), tuple([most for _, most in sets]))


def places_kept(state: State) -> QuotaChange | None:
    """Return the places of a session that is restored, which no limit refuses; None where there are no quotas."""
    settings, owner = conf(), state.access.owner
    sets = []
    if settings.self_running_per_owner is not None or settings.self_running_per_service is not None:
        sets += [keys.self_running_sessions(owner)] if state.config.skips_on_timeout else []
    if settings.sessions_per_owner is not None or settings.sessions_per_service is not None:
        sets.append(keys.live_sessions(owner))
    return QuotaChange(_member(state), tuple(sets), (_ANY,) * len(sets)) if owner and sets else None


def places_released(decision: Decision, *, is_deletion: bool) -> QuotaChange | None:
    """Return the places of a session that ends with this decision; None when it does not end, or has none."""
    state = decision.state
    if not (is_deletion or state.status.is_final) or decision.before.status.is_final or not state.access.owner:
        return None
    return QuotaChange(
        _member(state), (keys.live_sessions(state.access.owner), keys.self_running_sessions(state.access.owner))
    )


def _member(state: State) -> str:
    return owner_quotas.member_of(state.session_id, state.epoch)


def commit(write: CommitRequest, *, if_full: StoreRefused | None = None) -> Procedure[CommitReply]:
    """Commit a write with its changes of the owner's places; on a Cluster in separate calls."""
    owned = write.places
    if owned is None or not redis_client.is_cluster():
        return (yield from perform(writes.commit(write, if_full=if_full)))
    if owned.limits:
        full = yield from perform(owner_quotas.claim(owned))
        if full:
            return QuotaFull(full)
    reply = yield from perform(writes.commit(write, if_full=if_full))
    if isinstance(reply, Committed) is not bool(owned.limits):
        yield from perform(owner_quotas.update_members(owned.sets, {owned.member: False}))
    return reply


def commit_creation(write: CommitRequest) -> Procedure[CommitReply]:
    """Commit a creation. Raises SessionLimitExceeded."""
    reply = yield from commit(write)
    wanted = write.places or QuotaChange("", ())
    for _ in wanted.sets:  # each may hold sessions that have ended
        if not isinstance(reply, QuotaFull) or not (yield from _release_ended(wanted.sets[reply.number - 1])):
            break
        reply = yield from commit(write)
    if isinstance(reply, QuotaFull):
        kind = "self_running" if wanted.sets[reply.number - 1].endswith("self_running") else "live"
        metrics.SESSIONS_REFUSED.labels(kind).inc()
        raise SessionLimitExceeded(kind, wanted.limits[reply.number - 1])
    return reply


def _release_ended(name: str) -> Procedure[int]:
    """Release places of sessions that have ended unnoticed; return how many."""
    members = yield from perform(owner_quotas.oldest_members(name, CHECK_AFTER_MS, MAX_CHECKED))
    by_shard: dict[int, list[str]] = {}
    for member in members:
        by_shard.setdefault(keys.shard_of(owner_quotas.session_of(member)), []).append(member)
    if not members:
        return 0
    # A live session is kept for longer than both of these.
    ended_kept_ms = min(conf().finished_ttl_ms, GRACE_MS)
    replies = yield Pipeline(*[owner_quotas.check_live(some, ended_kept_ms) for some in by_shard.values()])
    seen: dict[str, bool] = {}
    for together, alive in zip(by_shard.values(), replies, strict=True):
        seen.update(zip(together, alive, strict=True))
    return (yield from perform(owner_quotas.update_members([name], seen)))
