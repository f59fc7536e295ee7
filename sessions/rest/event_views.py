"""REST endpoint of a session's events, from the audit (docs/protocol.md)."""

from __future__ import annotations

from functools import partial
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from audit.event_pages import RecordedEvent
from audit.selectors import rebuilt_event
from sessions import weights
from sessions.apidocs import openapi_history
from sessions.presentation import present_event
from sessions.requests.values import MAX_EVENTS, MAX_VERSION
from sessions.rest.base import SessionEndpoint, principal_of, uuid_of
from sessions.rest.past_reads import check_absent, read_if_live
from sessions.schemas import CauseView
from sessions.services import archive
from sessions.services.audit_queries import run_query
from synckairos.auth.grants import Role
from synckairos.auth.principal import SYSTEM
from synckairos.http import parameters
from synckairos.instants import as_iso, from_datetime
from synckairos.outbox import Door

_DEFAULT_EVENTS = 100
_SEE_CAUSES = frozenset({Role.OWNER, Role.STAFF})


class EventsView(SessionEndpoint):
    """Read the events of one session, page by page."""

    parameters = ("after", "limit")

    @openapi_history.events
    def get(self, request: Request, session_id: str) -> Response:
        query, parsed, reader = request.query_params, uuid_of(session_id), principal_of(request)
        after = parameters.integer(query, "after", 0, MAX_VERSION) or 0
        limit = parameters.integer(query, "limit", 1, MAX_EVENTS) or _DEFAULT_EVENTS
        self.count()
        self.count(1 + weights.of_events(limit))
        live = read_if_live(self, parsed, reader)
        state = check_absent(parsed, reader) if live is None else live.state
        role, found = run_query(partial(archive.read_events, parsed, reader, state, after, limit))
        events = [_view(event, with_cause=role.role in _SEE_CAUSES) for event in found]
        next_after = found[-1].row.sequence if found else after
        return Response({"data": {"events": events, "next_after": next_after}})


def _view(event: RecordedEvent, *, with_cause: bool) -> dict[str, Any]:
    """Return an event as the frames of sockets have it, with its epoch and commit; the cause is for who may see it."""
    row = event.row
    shown = {
        **present_event(rebuilt_event(row)),
        "epoch": event.epoch,
        "committed_at": as_iso(from_datetime(row.committed_at)),
    }
    return {**shown, "cause": _cause(event)} if with_cause else shown


def _cause(event: RecordedEvent) -> CauseView:
    """Return the cause of an event. That of a deadline is the timekeeper, whoever has committed it."""
    row, commit = event.row, event.commit
    if row.principal == SYSTEM.subject:
        role, door = "", Door.TIMEKEEPER.value
    else:
        role, door = ("", "") if commit is None else (commit.role, commit.door)
    return CauseView(principal=row.principal, role=role or None, door=door or None, request_id=row.request_id)
