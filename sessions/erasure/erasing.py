"""The erasure of a person from store and database, step by step (docs/operations.md#erasing-a-person).

Each step can be repeated, so an erasure that was interrupted is completed by the next one of the same person.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.utils import timezone
from msgspec import Struct, field
from msgspec.structs import replace

from audit import erasure, personal_values, snapshot_eraser
from audit.drain import drain_all
from audit.models import SyncErasure, SyncEvent, SyncSession
from audit.personal_values import Person
from audit.selectors import HistoryIncomplete, lineage, session_get
from sessions.erasure import live_sessions
from sessions.erasure.stored_values import StoredState, Traces, has_part, outbox_marks, session_in
from sessions.store import persons
from synckairos.auth import account_erasure
from synckairos.auth.names import ERASED_TEXT
from synckairos.engine.state import State
from synckairos.engine.units import Json
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking

DRAIN_S = 30.0
"""Longest wait for the audit to write what the store still holds."""
_ROUNDS = 10
"""Attempts to empty the store of values: a command that runs meanwhile can bring one back."""
_IN_FLIGHT_S = 0.05
"""Time in which a command that has loaded an earlier state is committed or has lost its race."""
_ERASED_METADATA: Json = {"commitment": ERASED_TEXT}


class Refused(Exception):
    """The erasure cannot go on; the message tells staff what to do first."""


class OwnsLive(Refused):
    """The person owns sessions that have not ended, and they were not to be cancelled."""


class Found(Struct):
    """The sessions in which a person stands, by what an erasure does with them."""

    owned: list[UUID] = field(default_factory=list)
    """Live sessions of the person."""
    stored: list[UUID] = field(default_factory=list)
    """Other sessions in the state store."""
    written: list[UUID] = field(default_factory=list)
    """Sessions in the audit."""
    ids: int = 0
    """Seats whose participant id is the user id; these ids stay."""


class Result(Struct):
    """The result of an erasure."""

    sessions: int = 0
    values: int = 0
    held: list[UUID] = field(default_factory=list)
    """Sessions under legal hold, from which nothing was erased."""
    unreadable: list[UUID] = field(default_factory=list)
    """Sessions with events that this release cannot read."""


def find(person: Person) -> Found:
    """Return the sessions in which a person stands, and change nothing."""
    states = [found.state for found in Traces(person).states()]
    owned = [state.session_id for state in states if live_sessions.owns_live(state, person)]
    return Found(
        owned=owned,
        stored=[state.session_id for state in states if state.session_id not in owned],
        written=personal_values.sessions_of(person),
        ids=personal_values.seats_by_id(person),
    )


def erase(person: Person, by: str, *, cancel_live: bool, tell: Callable[[int, int], None] = lambda *_: None) -> Result:
    """Erase a person everywhere. `tell` is called with the number of sessions done, and of all.

    Raises Refused, with everything consistent.
    """
    if not cancel_live and (owned := _owned(person)):
        raise OwnsLive(f"The person owns sessions that have not ended: {', '.join(map(str, owned))}.")
    record, _ = SyncErasure.objects.get_or_create(
        person=person.person_hash, completed_at=None, defaults={"at": timezone.now(), "by": by}
    )
    result = Result()
    try:
        result.values += account_erasure.erase_account(person.user_id)
        _leave_live_sessions(person, by)
        _drain(person)
        _erase_rows(person, result, tell)
        result.values += personal_values.erase_from_staff_columns(person)
        result.values += account_erasure.erase_from_admin_log(person.is_mentioned, person.user_id, ERASED_TEXT)
        _empty_store(person, set(result.held))
        _drain(person)  # until then, snapshots were taken of states with metadata of the person
        _erase_late_snapshots(person, result)
        if not result.held and not result.unreadable:
            record.completed_at = timezone.now()
    finally:
        record.sessions += result.sessions
        record.values += result.values
        record.save(update_fields=["sessions", "values", "completed_at"])
    return result


def _owned(person: Person) -> list[UUID]:
    states = (found.state for found in Traces(person).states())
    return [state.session_id for state in states if live_sessions.owns_live(state, person)]


def _held_sessions() -> set[UUID]:
    return set(SyncSession.objects.filter(legal_hold=True).values_list("session_id", flat=True))


def _leave_live_sessions(person: Person, by: str) -> None:
    held = _held_sessions()
    for found in list(Traces(person).states()):
        state = found.state
        if state.session_id in held:
            continue
        if live_sessions.owns_live(state, person):
            live_sessions.cancel(state.session_id, by)
        elif not state.status.is_final:
            live_sessions.leave_seats(found, person, by)


def _drain(person: Person) -> None:
    """Wait until the audit has written what there is now, and all with values of the person. Raises Refused."""
    traces, marks, ends_s = Traces(person), outbox_marks(), time.monotonic() + DRAIN_S
    drain_all()
    while traces.count_waiting(marks):
        if time.monotonic() > ends_s:
            raise Refused(
                "Commits that can hold values of the person wait in the outbox: see that the database and the workers "
                "run, then run it again."
            )
        time.sleep(_IN_FLIGHT_S)  # a worker may be at it
        drain_all()
    dead = traces.count_dead_letters()
    if dead:
        raise Refused(
            f"{dead} dead letters hold values of the person: send them again or delete them (audit_dead_letters), "
            "then run it again."
        )


def _erase_rows(person: Person, result: Result, tell: Callable[[int, int], None]) -> None:
    session_ids = personal_values.sessions_of(person)
    for done, session_id in enumerate(session_ids, 1):
        try:
            erased = erasure.erase(session_id, person)
        except erasure.UnderHold:
            result.held.append(session_id)
        except erasure.Unreadable:
            result.unreadable.append(session_id)
        else:
            result.sessions += erased.sessions
            result.values += erased.values
        tell(done, len(session_ids))


def _erase_late_snapshots(person: Person, result: Result) -> None:
    """Delete the snapshots that were written after the rows of their sessions, and hold what was erased from those."""
    left, traces = {*result.held, *result.unreadable}, Traces(person)
    late: dict[UUID, list[int]] = {}
    for found in snapshot_eraser.find(person):
        state = found.state
        is_late = state is None or (traces.is_in(state) and _without(state, person) is not state)
        if is_late and found.session_id not in left:
            late.setdefault(found.session_id, []).append(found.pk)
    for session_id, snapshots in late.items():
        try:
            snapshot_eraser.delete(session_id, snapshots)
        except erasure.UnderHold:
            result.held.append(session_id)


def _empty_store(person: Person, held: set[UUID]) -> None:
    """Remove the person from what the store keeps besides live seats. Raises Refused when commands bring it back."""
    for _ in range(_ROUNDS):
        found = [one for one in Traces(person).states() if one.state.session_id not in held]
        changed = sum([_remove_from_state(one, person) for one in found])
        if not changed and not _remove_traces(person, held):
            break
    else:
        raise Refused("The person stands in sessions that are being used at this moment: run it again.")
    user_id = person.user_id
    names = keys.live_sessions(user_id), keys.self_running_sessions(user_id), keys.record_bytes(user_id)
    for name in names:  # of three slots, on a Cluster
        redis_client.blocking_client().delete(name)


def _remove_from_state(found: StoredState, person: Person) -> bool:
    """Let an ended session leave the store before its time; take a live one's metadata from it. Returns false when
    nothing of the person is in it."""
    state = found.state
    changed = _without(state, person)
    if changed is state and not (state.status.is_final and has_part(state, person.user_id)):
        return False
    send_blocking(persons.replace_state(state.session_id, found.data, None if state.status.is_final else changed))
    if not state.status.is_final:
        time.sleep(_IN_FLIGHT_S)
    return True


def _remove_traces(person: Person, held: set[UUID]) -> int:
    """Remove values from answers, recent commits and tickets, and return their number."""
    traces, client, number = Traces(person), redis_client.blocking_client(), 0
    for name, data in traces.commits():
        if session_in(name) not in held:
            number += int(client.lrem(name, 0, data))
    for name in traces.tickets():
        number += int(client.delete(name))
    for name, data, answer in traces.answers():
        state = persons.without_person(answer.state, person.user_id, _metadata(answer.state, person))
        if state is not answer.state and session_in(name) not in held:
            number += send_blocking(persons.replace_answer(name, data, replace(answer, state=state)))
    return number


def _metadata(state: State, person: Person) -> Json | None:
    """Return the metadata of the state of an answer without the person."""
    metadata, is_owner = state.config.metadata, state.access.owner == person.user_id
    is_related = has_part(state, person.user_id)
    if metadata is None or not (is_owner or person.is_named_in(metadata, is_related=is_related)):
        return metadata
    return _ERASED_METADATA


def _without(state: State, person: Person) -> State:
    """Return a state without what was erased from the history of its session; the state itself when nothing changes."""
    return persons.without_person(state, person.user_id, _metadata_to_keep(state, person))


def _metadata_to_keep(state: State, person: Person) -> Json | None:
    """Return the metadata of a session that its state may keep: those of the history once that has lost them."""
    created = _creation(state)
    if created is None:  # the audit cannot tell
        return _metadata(state, person)
    written: Json | None = created.data["config"]["metadata"]
    has_lost_metadata = written is not None and set(written) == set(_ERASED_METADATA)
    return written if has_lost_metadata else state.config.metadata


def _creation(state: State) -> SyncEvent | None:
    """Return the event with which the history of a state begins, in the first epoch of the session; None when the audit
    does not have it."""
    row = session_get(state.session_id, state.epoch)
    if row is None:
        return None
    with suppress(HistoryIncomplete):
        first, _ = lineage(row)[0]
        return SyncEvent.objects.filter(session=first, type="session.created").first()
    return None
