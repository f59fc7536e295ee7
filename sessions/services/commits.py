"""The write of one decision: the commit and everything that goes with it (docs/consistency.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from msgspec import Raw
from msgspec.structs import force_setattr, replace

from sessions import announcements, messages
from sessions.schemas import StateView
from sessions.services.outcome import Caller
from sessions.services.quotas import places_released, places_taken
from sessions.services.retention import expiry_of
from sessions.store.codec import Answer, StoredCommit
from sessions.store.store import SnapshotCheck
from sessions.store.writes import CommitRequest, Record
from synckairos import commit_chain, outbox, stored_state
from synckairos.auth.permissions import access_snapshot
from synckairos.conf import Rate, conf
from synckairos.engine import Decision
from synckairos.engine.events import (
    AccessRevoked,
    Event,
    ParticipantAdded,
    ParticipantAssigned,
    ParticipantExpired,
    ParticipantWarned,
    SessionCreated,
    SessionDeleted,
    SessionRestored,
)
from synckairos.engine.state import Participant, State
from synckairos.engine.units import Instant
from synckairos.ids import new_command_id
from synckairos.keyed_hash import hashed
from synckairos.redis import keys

_CHANGE_RIGHTS = (SessionCreated, ParticipantAdded, ParticipantAssigned, AccessRevoked, SessionRestored)


def write_of(
    decision: Decision,
    now: Instant,
    caller: Caller,
    *,
    is_creation: bool = False,
    key: str | None = None,
    switch_rate: Rate | None = None,
    caller_rate: tuple[str, Rate] | None = None,
    check: SnapshotCheck | None = None,
    view: StateView | None = None,
    unheard: bool = False,
    role: str = "",
    given_id: bytes | None = None,
) -> CommitRequest:
    """The write of a decision that has events; `key` is where the answer is kept (`idempotency_key` of the caller), and
    `view` is how the new state is shown, when somebody needs that besides. With `unheard` it has no message, and is
    refused when somebody listens. `given_id` is the id of the commit; None for a random one."""
    before = None if is_creation else decision.before
    command_id = given_id or new_command_id()
    entry, after = _sealed_entry(decision, now, caller, command_id, role, is_creation=is_creation)
    stored = None
    if _is_snapshot(decision, before):
        stored = stored_state.encode_state(after)
        entry = replace(entry, snapshot=stored)
    is_deletion = isinstance(decision.events[-1], SessionDeleted)
    since_version = 0 if before is None else before.version
    deadline_ms = None if is_deletion or decision.deadline is None else decision.deadline.at_ms
    message = b""
    if not unheard:
        message = announcements.pack(_hub_message(decision, now, since_version, view, is_deletion=is_deletion))
    forget_ms, check_ms = expiry_of(after, now, deadline_ms)
    is_another = before is None or before.status is not after.status
    places = None
    if is_creation:
        places = places_taken(after, caller.principal)
    elif is_another or is_deletion:
        places = places_released(decision, is_deletion=is_deletion)
    return CommitRequest(
        before=before,
        after=None if is_deletion else after,
        state=after,
        session_id=after.session_id,
        forget_at_ms=forget_ms,
        deadline_ms=deadline_ms,
        idle_check_ms=None if is_deletion else check_ms,
        is_sign_of_life=deadline_ms is None or decision.due < len(decision.events),
        was_idle=is_deletion or (before is not None and is_another),
        command_id=command_id,
        commit=StoredCommit(since_version, after.version, after.epoch, entry.events),
        outbox_entry=outbox.encode(entry),
        message=message,
        record=_record(decision, after, now, caller, key),
        switch_rate=switch_rate,
        caller_rate=caller_rate,
        check=check,
        places=places,
        is_repeatable=given_id is not None,
        stored=stored,
    )


SNAPSHOT_EVERY = 100
"""Number of versions after which the audit gets a snapshot of the state."""


def _is_snapshot(decision: Decision, before: State | None) -> bool:
    """Return true for a commit that crosses a multiple of SNAPSHOT_EVERY, ends the session or begins an epoch anew."""
    state = decision.state
    if before is None:
        return False  # its events are few
    return (
        before.version // SNAPSHOT_EVERY != state.version // SNAPSHOT_EVERY
        or before.status.is_final is not state.status.is_final
        or before.epoch != state.epoch
    )


def _sealed_entry(
    decision: Decision, now: Instant, caller: Caller, command_id: bytes, role: str, *, is_creation: bool
) -> tuple[outbox.Entry, State]:
    """Return the outbox entry of a commit, and the new state with its digest. The entry's events are encoded."""
    before = None if is_creation else decision.before
    state, device = decision.state, caller.device
    events = commit_chain.encode_events(decision.events)
    sealed_events, salts = _sealed(decision.events)
    subject = caller.principal.subject
    salt, principal = _principal_in(state.session_id, subject)
    previous = b"" if before is None else before.digest
    entry = outbox.Entry(
        state.session_id,
        state.epoch,
        0 if before is None else before.version,
        state.version,
        now,
        subject,
        caller.request_id,
        command_id,
        Raw(events),  # type: ignore[arg-type]  # encoded once, for the store, the outbox and the chain
        outbox.summarise(state),
        _changed(before, state),
        decision.due,
        decision.late,
        outbox.FORMAT,
        role,
        device.door,
        b"" if caller.idempotency is None else hashed(caller.idempotency.key),
        device.address,
        device.user_agent,
        previous,
        salts=(salt, *salts),
        sealed_events=sealed_events,
    )
    digest = commit_chain.digest(previous, commit_chain.canonical(entry, principal, sealed_events or events))
    force_setattr(entry, "digest", digest)  # nobody else has it yet, and a copy costs time
    return entry, replace(state, digest=digest)


def _sealed(events: Sequence[Event]) -> tuple[bytes | None, list[bytes]]:
    """Return the events with commitments in place of values about persons, encoded, and the salts of these; None when
    there is no such value."""
    for event in events:
        if commit_chain.has_personal_values(event):
            break
    else:
        return None, []
    salts = commit_chain.Salts()
    return commit_chain.encode_events(tuple([commit_chain.sealed(event, salts) for event in events])), salts.used


@lru_cache(maxsize=8_192)
def _principal_in(session_id: UUID, subject: str) -> tuple[bytes, bytes]:
    """Return the salt of a principal and the commitment to it. Its commits of one session have the same, since a salt
    for each would cost more than the rest of the commitment; those of other sessions have nothing in common."""
    salt = commit_chain.new_salt()
    return salt, commit_chain.commitment(salt, subject)


def _changed(before: State | None, after: State) -> tuple[Participant, ...]:
    if before is None or before.epoch != after.epoch:
        return after.participants
    if len(before.participants) != len(after.participants):
        known = set(map(id, before.participants))
        return tuple([p for p in after.participants if id(p) not in known])
    return tuple([p for old, p in zip(before.participants, after.participants, strict=True) if p is not old])


def _hub_message(
    decision: Decision, now: Instant, since_version: int, view: StateView | None, *, is_deletion: bool
) -> announcements.HubMessage:
    state = decision.state
    if is_deletion:
        frame = messages.session_deleted(state.session_id, now)
    else:
        frame = messages.state_update(state, now, since_version, decision.events, view)
    return announcements.HubMessage(
        session_id=state.session_id,
        epoch=state.epoch,
        since_version=since_version,
        version=state.version,
        state_frame=frame,
        notices=tuple([notice for event in decision.events for notice in notices_of(state, event, now)]),
        is_creation=since_version == 0,
        is_deletion=is_deletion,
        encoded_access=(
            announcements.encode_access(access_snapshot(state)) if _changes_rights(decision.events) else None
        ),
    )


def _changes_rights(events: Sequence[Event]) -> bool:
    for event in events:  # noqa: SIM110 - of one event, mostly: a generator would cost more than this
        if isinstance(event, _CHANGE_RIGHTS):
            return True
    return False


def notices_of(state: State, event: Event, now: Instant) -> list[bytes]:
    """The frames besides the state's that an event asks for."""
    match event:
        case ParticipantWarned():
            return [messages.time_warning(state.session_id, state.epoch, event, now)]
        case ParticipantExpired():
            return [messages.time_expired(state.session_id, state.epoch, event, now)]
        case _:
            return []


def _record(decision: Decision, state: State, now: Instant, caller: Caller, key: str | None) -> Record | None:
    given = caller.idempotency
    if key is None or given is None:
        return None
    answer = Answer(
        fingerprint=given.fingerprint,
        state=state,
        at_ms=now,
        expired_participant_id=decision.expired_on_switch,
        action_applied=None if decision.expired is None else decision.expired.action_applied,
    )
    return Record(key, answer, given.kept_ms or conf().idempotency_ttl_ms)


def idempotency_key(session_id: UUID, caller: Caller) -> str | None:
    """The store's key of the caller's Idempotency-Key; None without one."""
    given = caller.idempotency
    if given is None:
        return None
    return keys.idempotency(session_id, caller.principal.subject, given.route, given.key)
