"""Operations of the OpenAPI document that the audit answers: lists of sessions, their events, exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from audit.exports.table import FORMATS
from sessions.apidocs.openapi import operation, response_schema
from sessions.schemas import SessionListView
from synckairos.engine.units import Status, SyncMode
from synckairos.http.openapi import ref


def _query(name: str, description: str, kind: Any = str, enum: list[str] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, enum=enum)


_PAGE_SIZE = {"type": "integer", "minimum": 1, "maximum": 100}
FILTERS = [
    _query("status", "Sessions with this status.", enum=[status.value for status in Status]),
    _query("mode", "Sessions with this `sync_mode`.", enum=[mode.value for mode in SyncMode]),
    _query("created_from", "Sessions created at this instant (ISO 8601) or later.", datetime),
    _query("created_to", "Sessions created before this instant.", datetime),
    _query("user_id", "Sessions in which this person takes part."),
    _query("label", "Sessions with this value in their metadata: `key:value`, with a key that the server indexes."),
]
list_sessions = operation(
    "listSessions",
    "List sessions, the newest first: those one owns or takes part in; for staff, all",
    {200: response_schema(SessionListView)},
    400,
    403,
    parameters=[
        *FILTERS,
        _query("limit", "Largest number of sessions in a page; 50 without it.", _PAGE_SIZE),
        _query("cursor", "The `next_cursor` of the page before."),
    ],
)
_FILES: dict[Any, Any] = {
    (200, form.content_type.partition(";")[0]): {"type": "string", "format": "binary"} for form in FORMATS.values()
}
export_events = operation(
    "exportEvents",
    "Export events of the audit as a file that is made while it is sent; for staff",
    _FILES,
    400,
    403,
    parameters=[
        _query("format", "The format of the file.", enum=[*FORMATS]),
        _query("session_id", "The session with this id, in all its epochs."),
        _query("since", "Events committed at this instant (ISO 8601) or later."),
        _query("until", "Events committed before this instant."),
        *FILTERS,
    ],
)
events = operation(
    "getSessionEvents",
    "Read the events of a session",
    {200: ref("EventPageResponse")},
    400,
    404,
    parameters=[
        OpenApiParameter("after", int, description="The events after this number; without it, from the first."),
        OpenApiParameter("limit", int, description="Most events of the page; 100 without it."),
    ],
)
