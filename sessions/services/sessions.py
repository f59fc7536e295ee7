"""The session service: create, execute commands, delete and read sessions. Every entrance uses it.

These are procedures (synckairos/redis/procedures.py). All raise ServiceUnavailable when the store cannot serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sessions.preconditions import Precondition
from sessions.presentation import present
from sessions.services import idempotency_records, quotas
from sessions.services.commits import idempotency_key, write_of
from sessions.services.deadlines import catch_up
from sessions.services.derived_ids import load_derived
from sessions.services.idempotent_replay import replay
from sessions.services.outcome import Caller, Outcome
from sessions.services.pipeline import execute, outcome_of, require_state
from sessions.services.retention import activity_note
from sessions.services.state_cache import StateCache
from sessions.store import store
from sessions.store.store import Snapshot
from sessions.store.writes import AlreadyAnswered, Committed, StoreRefused
from synckairos import ids
from synckairos.auth.grants import Role
from synckairos.auth.permissions import Action, authorize, check_scope, role_of
from synckairos.auth.principal import Principal
from synckairos.engine import commands, create_session
from synckairos.engine.refusals import Refusal
from synckairos.engine.state import State
from synckairos.error_mapping import from_refusal
from synckairos.errors import Forbidden, PreconditionFailed, SessionAlreadyExists, SessionNotFound
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Call, Pipeline

__all__ = ["create", "delete", "execute", "get", "get_many"]


def create(command: commands.Create, session_id: UUID | None, caller: Caller) -> Procedure[Outcome]:
    """Create a session, and return it. Raises ValidationFailed, Forbidden, SessionAlreadyExists, SessionLimitExceeded,
    IdempotencyKeyReused."""
    if caller.principal.grant is not None:
        raise Forbidden  # a grant is for a session that exists
    given = caller.idempotency
    if session_id is None and given is not None:
        new_id, snapshot = yield from load_derived(caller, given.key)
    else:
        new_id = session_id or ids.new_session_id()
        snapshot = yield from perform(store.load(new_id, idempotency_key(new_id, caller)))
    key = idempotency_key(new_id, caller)
    if snapshot.answer is not None:
        return replay(snapshot.answer, caller)
    if snapshot.state is not None:
        raise SessionAlreadyExists(new_id)
    try:
        decision = create_session(command, session_id=new_id, epoch=ids.new_epoch(), now=snapshot.now)
    except Refusal as refusal:
        raise from_refusal(refusal) from None
    owner = idempotency_records.record_owner_of(caller, decision.state)
    view = present(decision.state, snapshot.now)
    write = write_of(decision, snapshot.now, caller, is_creation=True, key=key, view=view, role=Role.OWNER)
    reply = yield from quotas.commit_creation(write)
    match reply:
        case Committed():
            yield from idempotency_records.charge_record(write.record, owner)
            return outcome_of(decision, snapshot.now, view, write)
        case AlreadyAnswered():
            return replay(reply.answer, caller)
        case _:
            raise SessionAlreadyExists(new_id)


def delete(
    session_id: UUID,
    caller: Caller,
    only_if: Precondition | None = None,
    *,
    limiter: RateLimiter | None = None,
    cache: StateCache | None = None,
) -> Procedure[None]:
    """Delete a session. One that does not exist is deleted already, but meets no precondition (PreconditionFailed)."""
    try:
        yield from execute(session_id, commands.Delete(), caller, only_if, limiter=limiter, cache=cache)
    except SessionNotFound:
        if only_if is not None:
            raise PreconditionFailed(only_if.versions, None) from None


def get(session_id: UUID, reader: Principal, action: Action = Action.READ) -> Procedure[Outcome]:
    """A session as it stands, for somebody who may read it, or do this with it. Raises SessionNotFound, Forbidden."""
    check_scope(reader, session_id)
    snapshot = yield from perform(store.load(session_id))
    authorize(reader, action, require_state(session_id, snapshot))  # before: a stranger causes no commit
    snapshot = yield from catch_up(session_id, snapshot, if_full=StoreRefused())
    state = require_state(session_id, snapshot)
    authorize(reader, action, state)  # and after: meanwhile it may have become another's, or the token been revoked
    note = activity_note(state, snapshot.now)
    if note is not None:
        yield from perform(note)
    return Outcome(state, snapshot.now)


def get_many(session_ids: Sequence[UUID], reader: Principal) -> Procedure[tuple[list[Outcome], list[UUID]]]:
    """Sessions as they stand, in the order asked for, and the ids of those that do not exist for this reader."""
    found: dict[UUID, Outcome] = {}
    by_shard: dict[int, list[UUID]] = {}
    for session_id in dict.fromkeys(session_ids):
        by_shard.setdefault(keys.shard_of(session_id), []).append(session_id)
    for together in by_shard.values():
        many = yield from perform(store.load_many(together))
        notes: list[Call[bool]] = []
        for session_id, state in zip(together, many.states, strict=True):
            if state is None or not _may_read(reader, state):
                continue
            snapshot = yield from catch_up(session_id, Snapshot(many.now, state), if_full=StoreRefused())
            if snapshot.state is not None and _may_read(reader, snapshot.state):
                found[session_id] = Outcome(snapshot.state, snapshot.now)
                note = activity_note(snapshot.state, snapshot.now)
                notes += () if note is None else (note,)
        if notes:
            yield Pipeline(*notes)
    wanted = list(dict.fromkeys(session_ids))
    return [found[i] for i in wanted if i in found], [i for i in wanted if i not in found]


def _may_read(reader: Principal, state: State) -> bool:
    if reader.grant is not None and reader.grant.session_id != state.session_id:
        return False
    return role_of(reader, state) is not None
