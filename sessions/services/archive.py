"""Reads of sessions from the audit: those that have left the store, past states, and events.

Rights are those of now: of the live session, and of one that is not live as it was last recorded. A deleted session
exists for staff only. Nothing is answered that commits on their way to the audit would change: then it is
ServiceUnavailable, and the caller asks again.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from audit import event_pages, past_states, selectors
from audit.event_pages import RecordedEvent
from audit.lost_sessions import recorded_access
from audit.models import SyncSession
from audit.past_states import Reading
from sessions.presentation import present
from sessions.services.audit_queries import audit_behind
from sessions.services.lost_sessions import session_lost
from sessions.services.outcome import Outcome
from sessions.services.retention import kept_since
from sessions.store.unstored import Unstored, unstored
from synckairos.auth.permissions import Action, SessionRole, authorize, check_scope
from synckairos.auth.principal import Principal
from synckairos.engine.state import State
from synckairos.engine.units import Instant, Status
from synckairos.errors import SessionNotFound, ValidationFailed
from synckairos.instants import as_datetime
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.store_clock import store_clock
from synckairos.stored_state import encode_state

_DIGEST_BYTES = 8


class Moment(Struct, frozen=True):
    """A point in the history of a session: an instant, or the number of an event. One of them is None."""

    at_ms: Instant | None
    sequence: int | None


def check_absent(session_id: UUID, reader: Principal) -> Procedure[Unstored]:
    """Check a session that the store does not have for a reader, before the audit is asked for it: return what the
    audit does not know of it. Raises SessionNotFound for one that the store has for others, and for one that was
    deleted just now."""
    check_scope(reader, session_id)
    found = yield from perform(unstored(session_id))
    if found is None or found is Unstored.DELETION:
        raise SessionNotFound(session_id)
    return found


def read_archived(session_id: UUID, reader: Principal, missing: Unstored) -> Outcome:
    """Return a session that has left the store. Raises SessionNotFound, ServiceUnavailable, Unauthenticated."""
    row, access = _recorded(session_id, missing)
    if row.deleted_at is not None:
        raise SessionNotFound(session_id)
    authorize(reader, Action.READ, access)
    if _is_lost(row):
        raise session_lost()
    reading = Reading()
    state = _past_state(row, Moment(None, _last_sequence(row)), reading)
    if state.version < row.version:
        raise audit_behind()
    at_ms = store_clock.now_ms() if state.status.is_final else state.updated_ms
    view = replace(present(state, at_ms), archived=True)
    return Outcome(state, at_ms, view=view, digest=_digest(state), events_read=reading.events)


def read_current(live: Outcome, moment: Moment) -> Outcome | None:
    """Return a session that the store has as it was, when nothing has happened to it since; None otherwise. Raises
    ValidationFailed for a moment that is yet to come."""
    state = live.state
    _check_moment(moment, live.at_ms, state.sequence)
    is_current = moment.sequence == state.sequence if moment.at_ms is None else moment.at_ms >= state.updated_ms
    return _shown(state, moment) if is_current else None


def read_live_past(live: State, moment: Moment) -> Outcome:
    """Return a session that the store has as it was before its last event. Raises SessionNotFound,
    ServiceUnavailable."""
    row = selectors.session_get(live.session_id, live.epoch)
    if row is None:
        raise audit_behind()
    _last_sequence(row)
    reading = Reading()
    past = _past_state(row, moment, reading)
    if not _is_passed(row, past, moment):
        raise audit_behind()
    return replace(_shown(past, moment), digest=_digest(past), events_read=reading.events)


def read_past(session_id: UUID, reader: Principal, moment: Moment, missing: Unstored) -> Outcome:
    """Return a session that the store does not have, as it was. Raises ValidationFailed, SessionNotFound,
    ServiceUnavailable, Unauthenticated."""
    row, access = _recorded(session_id, missing)
    _authorize_history(reader, row, access)
    last = _last_sequence(row)
    _check_moment(moment, store_clock.now_ms(), last)
    reading = Reading()
    past = _past_state(row, moment, reading)
    if not _is_passed(row, past, moment):
        if _is_lost(row):
            raise session_lost()
        if row.deleted_at is not None:
            raise SessionNotFound(session_id)
    return replace(_shown(past, moment), digest=_digest(past), events_read=reading.events)


def read_events(
    session_id: UUID, reader: Principal, found: State | Unstored, after: int, limit: int
) -> tuple[SessionRole, list[RecordedEvent]]:
    """Return the role of a reader, and at most `limit` events after a number. `found` is the session if the store has
    it, else what `check_absent` returns. Raises SessionNotFound, ServiceUnavailable, Unauthenticated."""
    row: SyncSession | None
    if isinstance(found, State):
        row = selectors.session_get(session_id, found.epoch)
        role = authorize(reader, Action.READ, found)
    else:
        row, access = _recorded(session_id, found)
        role = _authorize_history(reader, row, access)
    if row is None:
        return role, []
    try:
        return role, event_pages.events_after(row, after, limit)
    except selectors.HistoryIncomplete:
        raise audit_behind() from None


def _recorded(session_id: UUID, missing: Unstored) -> tuple[SyncSession, State]:
    """Return the newest row of a session, and its access. Raises SessionNotFound, ServiceUnavailable."""
    row = selectors.session_get(session_id)
    if row is None:
        raise audit_behind() if missing is Unstored.COMMITS else SessionNotFound(session_id)
    access = recorded_access(row)
    if row.deleted_at is not None and access is None:
        raise SessionNotFound(session_id)
    if access is None or (row.deleted_at is None and missing is not Unstored.NOTHING):
        raise audit_behind()  # what is missing may take the rights of a reader
    return row, access


def _authorize_history(reader: Principal, row: SyncSession, access: State) -> SessionRole:
    is_staff = reader.is_staff and reader.grant is None
    if row.deleted_at is not None and not is_staff:
        raise SessionNotFound(row.session_id)
    return authorize(reader, Action.READ, access)


def _is_lost(row: SyncSession) -> bool:
    """Return whether the store has lost the session. It keeps one that has not ended for a time after each commit."""
    is_live = row.deleted_at is None and not Status(row.status).is_final
    return is_live and row.updated_at >= as_datetime(kept_since(store_clock.now_ms()))


def _last_sequence(row: SyncSession) -> int:
    last = selectors.session_events(row).last()
    if last is None:
        raise audit_behind()
    return last.sequence


def _check_moment(moment: Moment, now: Instant, last_sequence: int) -> None:
    if moment.at_ms is not None and moment.at_ms > now:
        raise ValidationFailed([("at", "Must not lie in the future.")])
    if moment.sequence is not None and moment.sequence > last_sequence:
        raise ValidationFailed([("sequence", f"The session has {last_sequence} events so far.")])


def _is_passed(row: SyncSession, past: State, moment: Moment) -> bool:
    """Return whether the history goes beyond the moment, so that nothing that is written later belongs before it."""
    if moment.at_ms is None:
        return True
    following = event_pages.events_after(row, past.sequence, 1)
    return bool(following) and following[0].row.at > as_datetime(moment.at_ms)


def _past_state(row: SyncSession, moment: Moment, reading: Reading) -> State:
    try:
        if moment.at_ms is not None:
            state = past_states.state_at(row, moment.at_ms, reading)
        else:
            state = past_states.state_after(row, moment.sequence or 0, reading)
    except selectors.HistoryIncomplete:
        raise audit_behind() from None
    if state is None:
        raise SessionNotFound(row.session_id)
    if moment.sequence is not None and state.sequence != moment.sequence:
        raise audit_behind()
    return state


def _shown(state: State, moment: Moment) -> Outcome:
    at_ms = state.updated_ms if moment.at_ms is None else moment.at_ms
    return Outcome(state, at_ms, view=present(state, at_ms))


def _digest(state: State) -> str:
    return hashlib.blake2b(encode_state(state), digest_size=_DIGEST_BYTES).hexdigest()
