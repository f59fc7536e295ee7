"""Reads of sessions that the audit answers, in the thread of a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from sessions.requests.values import MAX_VERSION, FieldError, Instant, decode_hook
from sessions.rest.base import SessionEndpoint
from sessions.services import archive
from sessions.services import sessions as service
from sessions.services.archive import Moment
from sessions.services.audit_queries import run_query
from sessions.services.outcome import Outcome
from sessions.store.unstored import Unstored
from synckairos.auth.principal import Principal
from synckairos.errors import SessionNotFound, ValidationFailed
from synckairos.http import parameters
from synckairos.redis.procedures import run_from_thread


def moment_of(query: Mapping[str, str]) -> Moment | None:
    """Return the moment of `at` or `sequence`; None without them. Raises ValidationFailed."""
    text, sequence = query.get("at"), parameters.integer(query, "sequence", 1, MAX_VERSION)
    if text is not None and sequence is not None:
        raise ValidationFailed([("sequence", "Not together with at.")])
    if text is None:
        return None if sequence is None else Moment(None, sequence)
    try:
        return Moment(decode_hook(Instant, text), None)
    except FieldError as error:
        raise ValidationFailed([("at", str(error))]) from None


def read_if_live(endpoint: SessionEndpoint, session_id: UUID, reader: Principal) -> Outcome | None:
    """Return a session as it stands; None when the store does not have it for this reader."""
    try:
        return endpoint.read(service.get(session_id, reader))
    except SessionNotFound:
        return None


def read_archived(session_id: UUID, reader: Principal) -> Outcome:
    """Return a session that has left the store. Raises SessionNotFound, ServiceUnavailable, Unauthenticated."""
    missing = check_absent(session_id, reader)
    return run_query(partial(archive.read_archived, session_id, reader, missing))


def read_past(session_id: UUID, reader: Principal, moment: Moment, live: Outcome | None) -> Outcome:
    """Return a session as it was; `live` is the session as it stands, if the store has it. Raises ValidationFailed,
    SessionNotFound, ServiceUnavailable, Unauthenticated."""
    if live is not None:
        return archive.read_current(live, moment) or run_query(partial(archive.read_live_past, live.state, moment))
    missing = check_absent(session_id, reader)
    return run_query(partial(archive.read_past, session_id, reader, moment, missing))


def check_absent(session_id: UUID, reader: Principal) -> Unstored:
    """Run `archive.check_absent`, which says what this returns and raises."""
    return run_from_thread(archive.check_absent(session_id, reader))
