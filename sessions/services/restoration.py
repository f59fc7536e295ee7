"""The restoration of sessions that the store has lost, or of which it has an older state (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from audit import lost_sessions
from audit.models import SyncSession
from audit.selectors import HistoryIncomplete, replayed_state
from sessions.services import quotas
from sessions.services.commits import write_of
from sessions.services.deadlines import count_events
from sessions.services.outcome import Caller
from sessions.services.retention import retention_ms
from sessions.store import owner_quotas, store, writes
from sessions.store.writes import CommitRequest, Committed
from synckairos import ids, stored_state
from synckairos.auth.grants import Role
from synckairos.auth.names import OPERATOR_NAME
from synckairos.auth.principal import Principal
from synckairos.conf import conf
from synckairos.engine import Decision, OutagePolicy, State, restore, runs_by_itself
from synckairos.engine.refusals import Unsettled
from synckairos.engine.units import Instant
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import send_blocking

OPERATOR = Principal(OPERATOR_NAME, is_staff=True, expires_s=float("inf"))
"""The principal that the audit names for a restoration."""


class Standing(StrEnum):
    """The ways in which a session of the audit stands in the store."""

    LOST = "lost"
    """The store does not have it."""
    OLDER = "older"
    """The store has an older state of it."""
    CURRENT = "current"
    """The store has the state that the audit has, or a newer one."""
    WENT_ON = "went on"
    """The store had an older state, and other commits have followed that."""
    REPLACED = "replaced"
    """The store has another session under the id, which the audit does not know."""
    UNREADABLE = "unreadable"
    """The store has a value that cannot be read."""


class Found(Struct, frozen=True):
    """A session of the audit, compared with the store."""

    row: SyncSession
    standing: Standing
    stored: tuple[str, int] | None = None
    """Epoch and version in the store; None when it is lost."""


class Outage(Struct, frozen=True):
    """The outage after which sessions are restored."""

    policy: OutagePolicy
    began_ms: Instant | None


class Unrestorable(Exception):
    """A session that cannot be restored; the text says why."""


def compare(rows: Sequence[SyncSession]) -> list[Found]:
    """Compare sessions of the audit with the store, in any order. Raises ServiceUnavailable."""
    stored = dict(_headers([row.session_id for row in rows]))
    behind = [row for row in rows if (header := stored[row.session_id]) and _may_be_behind(row, header)]
    standings = dict(_standings_behind(behind, stored))
    found = []
    for row in rows:
        header = stored[row.session_id]
        standing = Standing.LOST if header is None else standings.get(row.session_id, Standing.CURRENT)
        found.append(Found(row, standing, header))
    return found


def _headers(session_ids: Sequence[UUID]) -> Iterator[tuple[UUID, tuple[str, int] | None]]:
    for together in _by_shard(session_ids):
        yield from zip(together, send_blocking(store.headers(together)), strict=True)


def _by_shard(session_ids: Collection[UUID]) -> Collection[list[UUID]]:
    by_shard: dict[int, list[UUID]] = {}
    for session_id in session_ids:
        by_shard.setdefault(keys.shard_of(session_id), []).append(session_id)
    return by_shard.values()


def _may_be_behind(row: SyncSession, stored: tuple[str, int]) -> bool:
    epoch, version = stored
    return epoch != row.epoch or version < row.version


def _standings_behind(
    rows: Sequence[SyncSession], stored: dict[UUID, tuple[str, int] | None]
) -> Iterator[tuple[UUID, Standing]]:
    """Yield the standing of each session whose header in the store is not that of the audit."""
    places = {row.session_id: (row.session_id, *header) for row in rows if (header := stored[row.session_id])}
    digests = lost_sessions.digests_at(places.values())
    for session_id, place in places.items():
        if place not in digests:
            yield session_id, Standing.REPLACED
            continue
        try:
            state = send_blocking(store.load(session_id)).state
        except stored_state.Unreadable:
            yield session_id, Standing.UNREADABLE
            continue
        # The audit has the commit that led to this state, unless the store has gone on without it.
        is_known = state is None or not state.digest or state.digest == digests[place]
        yield session_id, Standing.OLDER if is_known else Standing.WENT_ON


def state_of(row: SyncSession) -> State:
    """Return the state after the history of a session. Raises Unrestorable when a part of that is missing."""
    try:
        state = replayed_state(row)
    except HistoryIncomplete as missing:
        raise Unrestorable(f"event {missing} is missing") from None
    except Exception as fault:  # one history that cannot be read must not stop the others
        raise Unrestorable(f"its history cannot be replayed: {type(fault).__name__}") from fault
    if state is None or state.version != row.version:
        reached = 0 if state is None else state.version
        raise Unrestorable(f"its events lead to version {reached} of {row.version}")
    return state


def decision_of(state: State, now: Instant, outage: Outage) -> Decision:
    """Return the decision that restores a session from the state of its history. Raises Unrestorable."""
    try:
        return restore(state, now, epoch=ids.new_epoch(), policy=outage.policy, outage_began_ms=outage.began_ms)
    except Unsettled as unsettled:
        raise Unrestorable(f"{unsettled} before the outage") from None


def commit_restored(
    parent: State, stored: tuple[str, int] | None, outage: Outage, request_id: str
) -> Procedure[Decision | None]:
    """Put a session back into the store; return None when the store does not have what it had when it was compared.

    Raises Unrestorable, ServiceUnavailable.
    """
    snapshot = yield from perform(store.load(parent.session_id))
    in_store = snapshot.state
    if (None if in_store is None else (in_store.epoch, in_store.version)) != stored:
        return None
    decision = decision_of(parent, snapshot.now, outage)
    write = _write_of(decision, in_store, snapshot.now, request_id)
    places = None if write.state.status.is_final else quotas.places_kept(write.state)
    if places is not None:  # before the commit: a place that is left behind is found, one that is missing never
        yield from perform(owner_quotas.claim(places))
    reply = yield from perform(writes.commit(write))
    if not isinstance(reply, Committed):
        return None
    count_events(decision)
    if places is not None and in_store is not None:
        before = {owner_quotas.member_of(parent.session_id, epoch): False for epoch in (in_store.epoch, parent.epoch)}
        yield from perform(owner_quotas.update_members(places.sets, before))
    return decision


def _write_of(decision: Decision, in_store: State | None, now: Instant, request_id: str) -> CommitRequest:
    write = write_of(decision, now, Caller(OPERATOR, request_id), role=Role.STAFF)
    check_ms = write.idle_check_ms
    if check_ms is not None:  # the signs of life since the last commit are lost, and this is one
        by_itself = runs_by_itself(write.state)
        check_ms = max(check_ms, now + (conf().unattended_ttl_ms if by_itself else retention_ms(write.state)))
    return replace(write, before=in_store, idle_check_ms=check_ms, is_sign_of_life=True, was_idle=True, places=None)
