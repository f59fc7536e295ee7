"""The session service: load → decide → commit → answer. Every door goes through here.

Procedures are generators of store calls; `calls.run` drives them for sync callers, `calls.arun` for async ones.
All raise ServiceUnavailable when the store cannot serve.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from sessions.limits import Tally
from sessions.services.commits import idempotency_key, write_of
from sessions.services.outcome import Caller, Outcome, Precondition, Recovery
from sessions.store import store
from sessions.store.calls import Steps, ask
from sessions.store.codec import Answer
from sessions.store.store import Answered, Done, Gone, Limited, Loaded, LostRace
from synckairos import ids, keys, metrics, rates
from synckairos.conf import Rate, conf
from synckairos.engine import Decision, commands, create_session, decide, observe
from synckairos.engine.deadlines import is_due
from synckairos.engine.events import Event
from synckairos.engine.refusals import Refusal, Unsettled
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.errors import (
    Conflict,
    Forbidden,
    IdempotencyKeyReused,
    PreconditionFailed,
    ServiceUnavailable,
    SessionAlreadyExists,
    SessionNotFound,
    from_refusal,
)
from synckairos.principal import SYSTEM, Principal
from synckairos.rights import ACTION_OF, Action, bound, check, check_scope, standing

MAX_ATTEMPTS = 100
"""How often one command is decided again after losing a race. Each lost race is somebody else's progress."""

MAX_PORTIONS = 20
"""Most portions of overdue deadlines that one caller applies (20 x 256 transitions, some tenths of a second)."""

TIMEKEEPER = Caller(SYSTEM, request_id="")
"""Who applies deadlines, from whatever door."""


def create(command: commands.Create, session_id: UUID | None, caller: Caller) -> Steps[Outcome]:
    """A new session. Raises ValidationFailed, Forbidden, SessionAlreadyExists, IdempotencyKeyReused."""
    if caller.principal.grant is not None:
        raise Forbidden  # it is for a session that exists
    given = caller.idempotency
    new_id = session_id or ids.new_session_id(caller.principal.subject, None if given is None else given.key)
    key = idempotency_key(new_id, caller)
    loaded = yield from ask(store.load(new_id, key))
    if loaded.answer is not None:
        return _replay(loaded.answer, caller)
    if loaded.state is not None:
        raise SessionAlreadyExists(new_id)
    try:
        decision = create_session(command, session_id=new_id, epoch=ids.new_epoch(), now=loaded.now)
    except Refusal as refusal:
        raise from_refusal(refusal) from None
    reply = yield from ask(store.commit(write_of(decision, loaded.now, caller, is_creation=True, key=key)))
    match reply:
        case Done():
            return _done(decision, loaded.now)
        case Answered(answer=answer):
            return _replay(answer, caller)
        case _:
            raise SessionAlreadyExists(new_id)


def execute(
    session_id: UUID,
    command: commands.Command,
    caller: Caller,
    only_if: Precondition | None = None,
    tally: Tally | None = None,
) -> Steps[Outcome]:
    """Apply a command. Raises SessionNotFound, Conflict, IdempotencyKeyReused, and what the engine refuses.

    `only_if` is judged on the very state that the command is applied to (PreconditionFailed); for a repeat under an
    Idempotency-Key it was judged the first time. A switch counts for the session's limit when it is applied
    (RateLimitExceeded); `tally` takes note of how that stands.
    """
    rate = rates.SWITCH.rate if isinstance(command, commands.Switch) else None
    accepted = None if only_if is None else only_if.versions
    check_scope(caller.principal, session_id)
    key = idempotency_key(session_id, caller)
    loaded = yield from ask(store.load(session_id, key))
    for _ in range(MAX_ATTEMPTS):
        if loaded.answer is not None:
            return _checked_replay(loaded.answer, loaded.state, command, caller)
        by = check(caller.principal, ACTION_OF[type(command)], _existing(session_id, loaded))
        try:
            decision = decide(_existing(session_id, loaded), bound(command, by), loaded.now, accepted=accepted)
        except Unsettled:  # more is due than one decision applies
            loaded = yield from _caught_up(session_id, loaded)
            continue
        except Refusal as refusal:
            yield from _caught_up(session_id, loaded)
            raise from_refusal(refusal) from None
        if not decision.events:
            return _done(decision, loaded.now)  # it is as the command wants it
        reply = yield from ask(store.commit(write_of(decision, loaded.now, caller, key=key, rate=rate)))
        match reply:
            case Done(standing=counted) | Limited(standing=counted):
                _note(tally, rate, counted)
                return _done(decision, loaded.now)
            case Answered(answer=answer):
                return _replay(answer, caller)
            case LostRace(loaded=again):
                metrics.LOST_RACES.inc()
                loaded = again
            case Gone():
                raise SessionNotFound(session_id)
    raise Conflict


def _note(tally: Tally | None, rate: Rate | None, counted: tuple[int, int, int] | None) -> None:
    """How the limit of switches stands. Raises RateLimitExceeded."""
    if rate is not None and counted is not None:
        (tally or Tally()).note(rates.SWITCH, rate, counted)


def switch(
    session_id: UUID,
    command: commands.Switch,
    caller: Caller,
    only_if: Precondition | None = None,
    tally: Tally | None = None,
) -> Steps[Outcome]:
    """Apply a switch, and measure it: the product's most frequent command."""
    began = time.perf_counter()
    outcome = yield from execute(session_id, command, caller, only_if, tally)
    metrics.SWITCH_SECONDS.observe(time.perf_counter() - began)
    return outcome


def delete(session_id: UUID, caller: Caller, only_if: Precondition | None = None) -> Steps[None]:
    """Delete a session; a session that does not exist is deleted already, but meets no precondition."""
    try:
        yield from execute(session_id, commands.Delete(), caller, only_if)
    except SessionNotFound:
        if only_if is not None:
            raise PreconditionFailed(only_if.versions, None) from None


def get(session_id: UUID, reader: Principal, action: Action = Action.READ) -> Steps[Outcome]:
    """A session as it stands, for somebody who may read it, or do this with it. Raises SessionNotFound, Forbidden."""
    check_scope(reader, session_id)
    loaded = yield from ask(store.load(session_id))
    check(reader, action, _existing(session_id, loaded))  # before: a stranger causes no commit
    loaded = yield from _caught_up(session_id, loaded)
    state = _existing(session_id, loaded)
    check(reader, action, state)  # and after: meanwhile it may have become another's, or the token been revoked
    return Outcome(state, loaded.now)


def get_many(session_ids: Sequence[UUID], reader: Principal) -> Steps[tuple[list[Outcome], list[UUID]]]:
    """Sessions as they stand, in the order asked for, and the ids of those that do not exist for this reader."""
    found: dict[UUID, Outcome] = {}
    by_shard: dict[int, list[UUID]] = {}
    for session_id in dict.fromkeys(session_ids):
        by_shard.setdefault(keys.shard_of(session_id), []).append(session_id)
    for together in by_shard.values():
        many = yield from ask(store.load_many(together))
        for session_id, state in zip(together, many.states, strict=True):
            if state is None or not _may_read(reader, state):
                continue
            loaded = yield from _caught_up(session_id, Loaded(many.now, state))
            if loaded.state is not None and _may_read(reader, loaded.state):
                found[session_id] = Outcome(loaded.state, loaded.now)
    wanted = list(dict.fromkeys(session_ids))
    return [found[i] for i in wanted if i in found], [i for i in wanted if i not in found]


def recover(session_id: UUID, reader: Principal, last_version: int | None, epoch: str | None) -> Steps[Recovery]:
    """What a client at `last_version` has missed, when that can be proved complete. Raises SessionNotFound."""
    check_scope(reader, session_id)
    while True:
        history = yield from ask(store.history(session_id))
        loaded = Loaded(history.now, history.state)
        state = _existing(session_id, loaded)
        check(reader, Action.READ, state)
        if not is_due(state, history.now):
            break
        yield from _caught_up(session_id, loaded)
    missed = _missed(history, state, last_version, epoch)
    if missed is None or not _is_within_window(missed, history.now):
        return Recovery(state, history.now, recovered=False, missed=())
    return Recovery(state, history.now, recovered=True, missed=tuple(missed))


def _missed(history: store.History, state: State, last_version: int | None, epoch: str | None) -> list[Event] | None:
    """The events after a version, oldest first; None when some may be lacking."""
    if last_version is None or epoch != state.epoch or last_version > state.version:
        return None
    missed: list[Event] = []
    reached = state.version
    for commit in history.commits:
        if reached <= last_version:
            break
        if commit.epoch != state.epoch or commit.version != reached:
            return None
        missed = [*commit.events, *missed]
        reached = commit.since_version
    if reached > last_version:
        return None
    return [event for event in missed if event.version > last_version]


def _is_within_window(missed: Sequence[Event], now: Instant) -> bool:
    """All or nothing: a client that has missed more than the settings allow gets the state alone."""
    if len(missed) > conf().recovery_events:
        return False
    return all(event.at_ms >= now - conf().recovery_age_ms for event in missed)


def _may_read(reader: Principal, state: State) -> bool:
    if reader.grant is not None and reader.grant.session_id != state.session_id:
        return False
    return standing(reader, state) is not None


def _checked_replay(answer: Answer, state: State | None, command: commands.Command, caller: Caller) -> Outcome:
    """The first answer, unless it is asked for by who may not ask any more."""
    if state is not None:
        check(caller.principal, ACTION_OF[type(command)], state)
    return _replay(answer, caller)


def _existing(session_id: UUID, loaded: Loaded) -> State:
    if loaded.state is None:
        raise SessionNotFound(session_id)
    return loaded.state


def _caught_up(session_id: UUID, loaded: Loaded) -> Steps[Loaded]:
    """The session with every due deadline applied *and committed*: a version once shown stays true.

    Each turn commits a portion or meets somebody else's commit. Raises ServiceUnavailable when a session owes so much
    that one caller should not wait for all of it: what was done is done, and the next caller goes on from there.
    """
    for _ in range(MAX_PORTIONS):
        if loaded.state is None or not is_due(loaded.state, loaded.now):
            return loaded
        decision = observe(loaded.state, loaded.now)
        reply = yield from ask(store.commit(write_of(decision, loaded.now, TIMEKEEPER)))
        match reply:
            case LostRace(loaded=again):
                metrics.LOST_RACES.inc()
                loaded = again
            case Gone():
                loaded = Loaded(loaded.now, None)
            case _:
                count(decision)
                loaded = Loaded(loaded.now, decision.state)
    if loaded.state is None or not is_due(loaded.state, loaded.now):
        return loaded
    raise ServiceUnavailable("The session is being brought up to date, please retry")


def _done(decision: Decision, now: Instant) -> Outcome:
    count(decision)
    return Outcome(
        state=decision.state,
        at_ms=now,
        expired_participant_id=decision.expired_on_switch,
        action_applied=None if decision.expired is None else decision.expired.action_applied,
    )


def _replay(answer: Answer, caller: Caller) -> Outcome:
    given = caller.idempotency
    if given is None or given.fingerprint != answer.fingerprint:
        raise IdempotencyKeyReused
    metrics.REPLAYED.inc()
    return Outcome(
        state=answer.state,
        at_ms=answer.at_ms,
        expired_participant_id=answer.expired_participant_id,
        action_applied=answer.action_applied,
        replayed=True,
    )


def count(decision: Decision) -> None:
    """Add the events of a decision that was committed to the metrics."""
    for event in decision.events:
        metrics.TRANSITIONS.labels(event.name).inc()
