"""The list of sessions, from the audit (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from audit import listing
from audit.completeness import complete_until
from audit.models import SyncSession
from sessions.rest.filters import FILTERS, filters_of
from sessions.schemas import SessionItemView, SessionListView
from synckairos.errors import ValidationFailed
from synckairos.http import parameters
from synckairos.instants import as_iso, from_datetime

LIST_PARAMETERS = (*FILTERS, "limit", "cursor")


def list_of(query: Mapping[str, str], person: str | None) -> SessionListView:
    """Return a page of the list of a person; None for all sessions. Raises ValidationFailed."""
    filters = filters_of(query)
    limit = parameters.integer(query, "limit", 1, listing.MAX_LIMIT) or listing.DEFAULT_LIMIT
    after = None
    if (cursor := query.get("cursor")) is not None:
        try:
            after = listing.position_of(cursor)
        except ValueError:
            raise ValidationFailed([("cursor", "Must be the next_cursor of a page.")]) from None
    as_of = complete_until()
    page = listing.page_of_sessions(filters, person, after, limit)
    return SessionListView(
        sessions=[item_of(session) for session in page.sessions],
        next_cursor=None if page.last is None else listing.cursor_of(page.last),
        as_of=None if as_of is None else as_iso(as_of),
    )


def item_of(session: SyncSession) -> SessionItemView:
    """Return a row of a session as clients see it."""
    return SessionItemView(
        session_id=session.session_id,
        epoch=session.epoch,
        sync_mode=session.sync_mode,
        status=session.status,
        version=session.version,
        active_participant_id=session.active_participant_id,
        total_time_ms=session.total_time_ms,
        cycle_number=session.cycle_number,
        cycle_started_at=_iso(session.cycle_started_at),
        session_started_at=_iso(session.started_at),
        session_completed_at=_iso(session.completed_at),
        owner=session.owner,
        visibility=session.visibility,
        labels={label.key: label.value for label in session.labels.all()},
        created_at=as_iso(from_datetime(session.created_at)),
        updated_at=as_iso(from_datetime(session.updated_at)),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else as_iso(from_datetime(moment))
