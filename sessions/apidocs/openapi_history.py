"""Operations of the OpenAPI document that the audit answers: lists of sessions, their events, exports."""

from __future__ import annotations

from sessions.apidocs import query_parameters
from sessions.apidocs.openapi import operation, response_schema
from sessions.schemas import SessionListView
from synckairos.http.openapi import ref

list_sessions = operation(
    "listSessions",
    "List sessions, the newest first: those one owns or takes part in; for staff, all",
    {200: response_schema(SessionListView)},
    400,
    403,
    parameters=query_parameters.OF_LISTS,
)
export_events = operation(
    "exportEvents",
    "Export events of the audit as a file that is made while it is sent; for staff",
    query_parameters.FILES,
    400,
    403,
    parameters=query_parameters.OF_EXPORTS,
)
events = operation(
    "getSessionEvents",
    "Read the events of a session",
    {200: ref("EventPageResponse")},
    400,
    404,
    parameters=query_parameters.OF_EVENTS,
)
