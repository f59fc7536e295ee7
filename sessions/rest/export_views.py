"""Exports of the audit over REST, for staff (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from audit.completeness import complete_until
from audit.exports.parquet import PyarrowMissing
from audit.exports.source import Selection, Source
from audit.exports.table import FORMATS
from sessions.apidocs import openapi_history
from sessions.rest.base import SessionEndpoint, principal_of, uuid_of
from sessions.rest.filters import FILTERS, filters_of, instant
from synckairos.auth.permissions import check_export
from synckairos.errors import ValidationFailed
from synckairos.instants import as_iso
from synckairos.telemetry import logs

log = logs.get_logger(__name__)


class EventsExportView(SessionEndpoint):
    """Export events as a file that is made while it is sent."""

    parameters = ("format", "session_id", "since", "until", *FILTERS)

    @openapi_history.export_events
    def get(self, request: Request) -> StreamingHttpResponse:
        self.count()
        check_export(principal_of(request))
        query = request.query_params.dict()
        name = query.get("format", "csv")
        if name not in FORMATS:
            raise ValidationFailed([("format", f"Must be one of {', '.join(FORMATS)}.")])
        selection = _selection(query)
        as_of = complete_until()
        try:
            parts = FORMATS[name].encode(Source(selection))
        except PyarrowMissing:
            raise ValidationFailed([("format", "This server has no library for it.")]) from None
        log.info("export begins", format=name)
        response = StreamingHttpResponse(parts, content_type=FORMATS[name].content_type)
        response["Content-Disposition"] = f'attachment; filename="events.{FORMATS[name].suffix}"'
        if as_of is not None:
            response["X-As-Of"] = as_iso(as_of)
        return response


def _selection(query: Mapping[str, str]) -> Selection:
    problems: list[tuple[str, str]] = []
    session_id = query.get("session_id")
    selection = Selection(
        session_ids=() if session_id is None else (uuid_of(session_id),),
        filters=filters_of(query),
        since=instant(query, "since", problems),
        until=instant(query, "until", problems),
    )
    if problems:
        raise ValidationFailed(problems)
    return selection
