"""How many sessions an owner may have that have not ended, and how many that switch by themselves.

They are counted with the commits that make and end sessions; a switch costs nothing for it. Both count from the
creation on, so nothing is refused later: not a start, and not one that comes by itself.
"""

from __future__ import annotations

from sessions.services.retention import KEPT_ON_MS
from sessions.store import owner_quotas, writes
from sessions.store.owner_quotas import Places
from sessions.store.writes import CommitReply, Done, NoRoom, OwnerFull, Write
from synckairos.auth.principal import Principal
from synckairos.conf import conf
from synckairos.engine import Decision
from synckairos.engine.state import State
from synckairos.engine.units import Duration
from synckairos.errors import SessionLimitExceeded
from synckairos.redis import client as stores
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Pipeline
from synckairos.telemetry import metrics

LOOK_AFTER_MS: Duration = 15_000
"""Whoever claims a place has committed by then, or will not."""
LOOK_AT = 64
"""Most places that are looked at for one creation that finds none."""


def taken(state: State, creator: Principal) -> Places | None:
    """The places of a session that is made; None where there are no bounds."""
    settings, owner = conf(), state.access.owner
    of_service = creator.is_service
    live = settings.sessions_per_service if of_service else settings.sessions_per_owner
    running = settings.self_running_per_service if of_service else settings.self_running_per_owner
    sets = []
    if running is not None and state.config.skips_on_timeout:
        sets.append((keys.self_running_of(owner), running))
    if live is not None:
        sets.append((keys.live_of(owner), live))
    if not owner or not sets:
        return None
    return Places(_member(state), tuple([name for name, _ in sets]), tuple([most for _, most in sets]))


def given_back(decision: Decision, *, is_deletion: bool) -> Places | None:
    """The places of a session that ends with this decision; None when it does not, or has none."""
    state = decision.state
    if not (is_deletion or state.status.is_final) or decision.before.status.is_final or not state.access.owner:
        return None
    return Places(_member(state), (keys.live_of(state.access.owner), keys.self_running_of(state.access.owner)))


def _member(state: State) -> str:
    return owner_quotas.member_of(state.session_id, state.epoch)


def committed(write: Write, *, if_full: NoRoom | None = None) -> Procedure[CommitReply]:
    """Write it with what it changes in what the owner has; on a Cluster in steps of their own."""
    owned = write.places
    if owned is None or stores.is_in_one_place():
        return (yield from perform(writes.commit(write, if_full=if_full)))
    if owned.mosts:
        full = yield from perform(owner_quotas.claim(owned))
        if full:
            return OwnerFull(full)
    reply = yield from perform(writes.commit(write, if_full=if_full))
    if isinstance(reply, Done) is not bool(owned.mosts):
        yield from perform(owner_quotas.looked_at(owned.sets, {owned.member: False}))
    return reply


def created(write: Write) -> Procedure[CommitReply]:
    """Write a creation. Raises SessionLimitExceeded."""
    reply = yield from committed(write)
    wanted = write.places or Places("", ())
    for _ in wanted.sets:  # each may hold what has ended
        if not isinstance(reply, OwnerFull) or not (yield from _freed(wanted.sets[reply.number - 1])):
            break
        reply = yield from committed(write)
    if isinstance(reply, OwnerFull):
        kind = "self_running" if wanted.sets[reply.number - 1].endswith("self_running") else "live"
        metrics.SESSIONS_REFUSED.labels(kind).inc()
        raise SessionLimitExceeded(kind, wanted.mosts[reply.number - 1])
    return reply


def _freed(name: str) -> Procedure[int]:
    """Take away some of what has ended without a word; gives how many places there are again."""
    members = yield from perform(owner_quotas.longest_had(name, LOOK_AFTER_MS, LOOK_AT))
    by_shard: dict[int, list[str]] = {}
    for member in members:
        by_shard.setdefault(keys.shard_of(owner_quotas.session_of(member)), []).append(member)
    if not members:
        return 0
    # What lives is kept for longer than both of these.
    ended_kept_ms = min(conf().finished_ttl_ms, KEPT_ON_MS)
    replies = yield Pipeline(*[owner_quotas.lives(some, ended_kept_ms) for some in by_shard.values()])
    seen: dict[str, bool] = {}
    for together, alive in zip(by_shard.values(), replies, strict=True):
        seen.update(zip(together, alive, strict=True))
    return (yield from perform(owner_quotas.looked_at([name], seen)))
