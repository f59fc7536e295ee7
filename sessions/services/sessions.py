"""The session service: load → decide → commit → answer. Every door goes through here.

Procedures are generators of store calls; `calls.run` drives them for sync callers, `calls.arun` for async ones.
All raise ServiceUnavailable when the store cannot serve.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from sessions.presentation import StateView, present
from sessions.services import idempotency_records, quotas
from sessions.services.catch_up import caught_up, count
from sessions.services.commits import idempotency_key, write_of
from sessions.services.derived_ids import load_derived
from sessions.services.idempotent_replay import checked_replay, replay
from sessions.services.outcome import Caller, Outcome, Precondition
from sessions.services.retention import sign_of_life
from sessions.store import store
from sessions.store.store import Snapshot
from sessions.store.writes import Answered, Done, Gone, Limited, LostRace, NoRoom
from synckairos import ids
from synckairos.auth.permissions import ACTION_BY_COMMAND, Action, authorize, check_scope, restrict, role_of
from synckairos.auth.principal import Principal
from synckairos.conf import Rate
from synckairos.engine import Decision, commands, create_session, decide, refusals
from synckairos.engine.refusals import Refusal, Unsettled
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.error_mapping import from_refusal
from synckairos.errors import (
    Conflict,
    Forbidden,
    PreconditionFailed,
    SessionAlreadyExists,
    SessionNotFound,
)
from synckairos.ratelimit import policies
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Call, Pipeline
from synckairos.telemetry import metrics

MAX_ATTEMPTS = 100
"""How often one command is decided again after losing a race. Each lost race is somebody else's progress."""


def create(command: commands.Create, session_id: UUID | None, caller: Caller) -> Procedure[Outcome]:
    """A new session. Raises ValidationFailed, Forbidden, SessionAlreadyExists, SessionLimitExceeded,
    IdempotencyKeyReused."""
    if caller.principal.grant is not None:
        raise Forbidden  # it is for a session that exists
    given = caller.idempotency
    if session_id is None and given is not None:
        new_id, loaded = yield from load_derived(caller, given.key)
    else:
        new_id = session_id or ids.new_session_id()
        loaded = yield from perform(store.load(new_id, idempotency_key(new_id, caller)))
    key = idempotency_key(new_id, caller)
    if loaded.answer is not None:
        return replay(loaded.answer, caller)
    if loaded.state is not None:
        raise SessionAlreadyExists(new_id)
    try:
        decision = create_session(command, session_id=new_id, epoch=ids.new_epoch(), now=loaded.now)
    except Refusal as refusal:
        raise from_refusal(refusal) from None
    payer = idempotency_records.payer_of(caller, decision.state)
    view = present(decision.state, loaded.now)
    write = write_of(decision, loaded.now, caller, is_creation=True, key=key, view=view)
    reply = yield from quotas.created(write)
    match reply:
        case Done():
            yield from idempotency_records.charged(write.record, payer)
            return done(decision, loaded.now, view, write.command_id)
        case Answered(answer=answer):
            return replay(answer, caller)
        case _:
            raise SessionAlreadyExists(new_id)


def execute(
    session_id: UUID,
    command: commands.Command,
    caller: Caller,
    only_if: Precondition | None = None,
    *,
    limiter: RateLimiter | None = None,
) -> Procedure[Outcome]:
    """Apply a command. Raises SessionNotFound, Conflict, IdempotencyKeyReused, and what the engine refuses.

    `only_if` is judged on the very state that the command is applied to (PreconditionFailed); for a repeat under an
    Idempotency-Key it was judged the first time. A switch counts for the session's limit when it is applied
    (RateLimitExceeded); `limiter` takes note of how that stands.
    """
    check_scope(caller.principal, session_id)
    loaded = yield from perform(store.load(session_id, idempotency_key(session_id, caller)))
    return (yield from proceed(loaded, session_id, command, caller, only_if, limiter=limiter))


def proceed(
    loaded: Snapshot,
    session_id: UUID,
    command: commands.Command,
    caller: Caller,
    only_if: Precondition | None = None,
    *,
    limiter: RateLimiter | None = None,
) -> Procedure[Outcome]:
    """`execute` for a session that has been loaded: decide, commit, and once more after a lost race."""
    rate, key = rate_of(command), idempotency_key(session_id, caller)
    for _ in range(MAX_ATTEMPTS):
        if loaded.answer is not None:
            return checked_replay(loaded.answer, loaded.state, command, caller)
        decision = yield from _decided(session_id, loaded, command, caller, only_if)
        if isinstance(decision, Snapshot):
            loaded = decision
            continue
        if not decision.events:
            return done(decision, loaded.now)  # it is as the command wants it
        payer = idempotency_records.payer_of(caller, decision.state)
        view = present(decision.state, loaded.now)
        write = write_of(decision, loaded.now, caller, key=key, rate=rate, view=view)
        reply = yield from quotas.committed(write)
        match reply:
            case Done(limits=counted) | Limited(limits=counted):
                if rate is not None and counted:
                    (limiter or RateLimiter()).record(policies.SWITCH, rate, counted)
                yield from idempotency_records.charged(write.record, payer)
                return done(decision, loaded.now, view, write.command_id)
            case Answered(answer=answer):
                return replay(answer, caller)
            case LostRace(loaded=again):
                metrics.LOST_RACES.inc()
                loaded = again
            case Gone():
                raise SessionNotFound(session_id)
    raise Conflict


def _decided(
    session_id: UUID, loaded: Snapshot, command: commands.Command, caller: Caller, only_if: Precondition | None
) -> Procedure[Decision | Snapshot]:
    """What the command does to the session; or the session brought up to date, when more is due than one decision
    applies. Raises what the rights and the engine refuse."""
    state = existing(session_id, loaded)
    by = authorize(caller.principal, ACTION_BY_COMMAND[type(command)], state)
    accepted = None if only_if is None else only_if.accepts(state.epoch)
    try:
        return decide(state, restrict(command, by), loaded.now, accepted=accepted)
    except Unsettled:
        return (yield from caught_up(session_id, loaded))
    except Refusal as refusal:
        yield from caught_up(session_id, loaded)
        if isinstance(refusal, refusals.PreconditionFailed) and only_if is not None:
            raise PreconditionFailed(only_if.versions, refusal.actual) from None
        raise from_refusal(refusal) from None


def rate_of(command: commands.Command) -> Rate | None:
    """How often such a command may be applied to a session."""
    return policies.SWITCH.rate if isinstance(command, commands.Switch) else None


def switch(
    session_id: UUID,
    command: commands.Switch,
    caller: Caller,
    only_if: Precondition | None = None,
    limiter: RateLimiter | None = None,
) -> Procedure[Outcome]:
    """Apply a switch, and measure it: the product's most frequent command."""
    return (yield from measured(command, execute(session_id, command, caller, only_if, limiter=limiter)))


def measured(command: commands.Command, steps: Procedure[Outcome]) -> Procedure[Outcome]:
    """A procedure that applies a command; a switch is timed."""
    began_s = time.perf_counter()
    outcome = yield from steps
    if isinstance(command, commands.Switch):
        metrics.SWITCH_SECONDS.observe(time.perf_counter() - began_s)
    return outcome


def delete(session_id: UUID, caller: Caller, only_if: Precondition | None = None) -> Procedure[None]:
    """Delete a session; a session that does not exist is deleted already, but meets no precondition."""
    try:
        yield from execute(session_id, commands.Delete(), caller, only_if)
    except SessionNotFound:
        if only_if is not None:
            raise PreconditionFailed(only_if.versions, None) from None


def get(session_id: UUID, reader: Principal, action: Action = Action.READ) -> Procedure[Outcome]:
    """A session as it stands, for somebody who may read it, or do this with it. Raises SessionNotFound, Forbidden."""
    check_scope(reader, session_id)
    loaded = yield from perform(store.load(session_id))
    authorize(reader, action, existing(session_id, loaded))  # before: a stranger causes no commit
    loaded = yield from caught_up(session_id, loaded, if_full=NoRoom())
    state = existing(session_id, loaded)
    authorize(reader, action, state)  # and after: meanwhile it may have become another's, or the token been revoked
    note = sign_of_life(state, loaded.now)
    if note is not None:
        yield from perform(note)
    return Outcome(state, loaded.now)


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
            loaded = yield from caught_up(session_id, Snapshot(many.now, state), if_full=NoRoom())
            if loaded.state is not None and _may_read(reader, loaded.state):
                found[session_id] = Outcome(loaded.state, loaded.now)
                note = sign_of_life(loaded.state, loaded.now)
                notes += () if note is None else (note,)
        if notes:
            yield Pipeline(*notes)
    wanted = list(dict.fromkeys(session_ids))
    return [found[i] for i in wanted if i in found], [i for i in wanted if i not in found]


def _may_read(reader: Principal, state: State) -> bool:
    if reader.grant is not None and reader.grant.session_id != state.session_id:
        return False
    return role_of(reader, state) is not None


def existing(session_id: UUID, loaded: Snapshot) -> State:
    """The state that was loaded. Raises SessionNotFound."""
    if loaded.state is None:
        raise SessionNotFound(session_id)
    return loaded.state


def done(decision: Decision, now: Instant, view: StateView | None = None, command_id: bytes = b"") -> Outcome:
    """What a decision comes to, counted; of the commit that it needed, how that has shown the state, and its id."""
    count(decision)
    expired = decision.expired
    return Outcome(
        state=decision.state,
        at_ms=now,
        view=view,
        command_id=command_id,
        expired_participant_id=decision.expired_on_switch,
        action_applied=None if expired is None else expired.action_applied,
    )
