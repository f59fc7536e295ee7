"""The OpenAPI side of the REST doors: what each answers, from the same views that are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from sessions.presentation import PresenceView, StateView, SummaryView, SwitchView
from sessions.rest import bodies

F = TypeVar("F", bound=Callable[..., Any])


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the document names our authentication."""

    target_class = "synckairos.http.drf.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Nothing beside `SECURITY` of the settings, which every operation gets."""
        return []


class DocumentRenderer(OpenApiJsonRenderer):
    """The document as plain JSON, which is what existing clients ask for."""

    media_type = "application/json"


_schemas, _components = msgspec.json.schema_components(
    [StateView, SwitchView, SummaryView, PresenceView], ref_template="#/components/schemas/{name}"
)
COMPONENTS: dict[str, Any] = _components
"""JSON schemas of all views, for the document's components."""


def _envelope(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"$ref": f"#/components/schemas/{name}"}},
    }


_ERRORS = {
    400: "VALIDATION_ERROR, INVALID_STATE_TRANSITION",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "SESSION_NOT_FOUND, PARTICIPANT_NOT_FOUND",
    409: "CONFLICT, SESSION_ALREADY_EXISTS",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "IDEMPOTENCY_KEY_REUSED",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {},
                "retry_after_seconds": {"type": "integer"},
            },
        }
    },
}

_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A repeat within 24 h returns the first answer and changes nothing.",
)


def _responses(good: dict[int, Any], *errors: int) -> dict[int, Any]:
    return {**good, **{status: OpenApiResponse(ERROR_SCHEMA, _ERRORS[status]) for status in sorted(set(errors))}}


def _door(summary: str, good: dict[int, Any], *errors: int, **more: Any) -> Callable[[F], F]:
    responses = _responses(good, *errors, *_COMMON_ERRORS)
    return extend_schema(tags=["sessions"], summary=summary, responses=responses, **more)


_COMMON_ERRORS = (401, 429, 500, 503)
_BODY_ERRORS = (400, 404, 409, 413, 415, 422)

create = _door(
    "Create a session",
    {201: _envelope("StateView")},
    400,
    409,
    413,
    415,
    422,
    request=bodies.CreateBody,
    parameters=[_KEY],
)
get = _door(
    "Read a session",
    {200: _envelope("StateView"), 304: None},
    400,
    404,
    parameters=[
        OpenApiParameter("fields", str, description="Top-level fields to answer with, separated by commas."),
        OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="304 while the version is this."),
    ],
)
delete = _door("Delete a session", {204: None}, 400)
switch = _door(
    "End the running cycle and begin the next",
    {200: _envelope("SwitchView")},
    *_BODY_ERRORS,
    request=bodies.SwitchBody,
    parameters=[_KEY],
)
add_participant = _door(
    "Add a participant",
    {200: _envelope("StateView")},
    *_BODY_ERRORS,
    request=bodies.AddParticipantBody,
    parameters=[_KEY],
)
adjust = _door(
    "Set or move a participant's time (staff)",
    {200: _envelope("StateView")},
    403,
    *_BODY_ERRORS,
    request=bodies.AdjustBody,
    parameters=[_KEY],
)
presence = _door("Read who is connected to a session", {200: _envelope("PresenceView")}, 400, 404)
summary = _door("Read a session in short", {200: _envelope("SummaryView")}, 400, 404)
batch = _door(
    "Read many sessions",
    {
        200: {
            "type": "object",
            "properties": {
                "data": {
                    "type": "object",
                    "properties": {
                        "sessions": {"type": "array", "items": {"$ref": "#/components/schemas/StateView"}},
                        "missing": {"type": "array", "items": {"type": "string", "format": "uuid"}},
                    },
                }
            },
        }
    },
    400,
    413,
    415,
    request=bodies.BatchBody,
)


def token(summary: str, *fields: str) -> Callable[[F], F]:
    """The document of a door that gives tokens for credentials."""
    pair = {
        "type": "object",
        "required": list(fields),
        "properties": {field: {"type": "string"} for field in fields},
    }
    responses = _responses({200: pair}, 400, 401, 413, 415, 429, 500, 503)
    return extend_schema(tags=["tokens"], summary=summary, description="", auth=[], responses=responses)


def command(verb: str, statuses: str) -> Callable[[type], type]:
    """The document of a command without arguments."""
    post = _door(
        f"{verb.capitalize()} a session that is {statuses}",
        {200: _envelope("StateView")},
        *_BODY_ERRORS,
        request=bodies.VersionBody,
        parameters=[_KEY],
    )
    decorate: Callable[[type], type] = extend_schema_view(post=post)
    return decorate


def _operation(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    operation = {"operationId": name, "tags": ["operations"], "summary": summary, "responses": responses}
    return {"get": operation}


def _status(description: str, *statuses: str) -> dict[str, Any]:
    properties = {"status": {"type": "string", "enum": list(statuses)}, "error": {"type": "string"}}
    body = {"type": "object", "required": ["status"], "properties": properties}
    return {"description": description, "content": {"application/json": {"schema": body}}}


_OPERATIONS: dict[str, Any] = {
    "/health": _operation("health", "The process runs", {"200": _status("It does.", "ok")}),
    "/ready": _operation(
        "ready",
        "Both stores can be reached",
        {"200": _status("They can.", "ready"), "503": _status("One cannot; `error` names it.", "not_ready")},
    ),
    "/metrics": _operation(
        "metrics",
        "All metrics",
        {"200": {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    ),
}


def _waiting(
    name: str, summary: str, parameters: list[dict[str, Any]], good: dict[str, Any], *errors_of_its_own: int
) -> dict[str, Any]:
    """A door in front of Django (sessions/realtime/fallbacks.py)."""
    named = {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    errors = {
        str(status): {
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": ERROR_SCHEMA}},
        }
        for status in sorted((400, *errors_of_its_own, *_COMMON_ERRORS))
    }
    return {
        "get": {
            "operationId": name,
            "tags": ["sessions"],
            "summary": summary,
            "parameters": [named, *parameters],
            "security": [{"bearer": []}],
            "responses": {**good, **errors},
        }
    }


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_WAITING: dict[str, Any] = {
    "/v1/sessions/{session_id}/poll": _waiting(
        "v1_sessions_poll_retrieve",
        "Wait for another version of a session",
        [
            _query("since_version", "The version that is known; without one the answer comes at once.", type="integer"),
            _query("wait_ms", "How long to wait.", type="integer", minimum=0, maximum=30_000, default=30_000),
            _query("epoch", "The epoch that is known: a session made anew under the same id is news.", type="string"),
        ],
        {
            "200": {
                "description": "A state of another version.",
                "content": {"application/json": {"schema": _envelope("StateView")}},
            },
            "304": {"description": "None in that time; ask again."},
        },
        404,
    ),
    "/v1/sessions/{session_id}/stream": _waiting(
        "v1_sessions_stream_retrieve",
        "The frames of a WebSocket as server-sent events",
        [
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the last event, as given: goes on from there when it can be proved complete.",
                "schema": {"type": "string"},
            },
            _query("token", "The bearer token, for browsers, whose EventSource sends no headers.", type="string"),
        ],
        {
            "200": {
                "description": "Events without an end; each `data` is a frame as in `/asyncapi.json`.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    ),
}


def add_components(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """A drf-spectacular postprocessing hook: the views' schemas and the plain Django doors join the document."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(COMPONENTS)
    result["paths"].update(_OPERATIONS | _WAITING)
    for operations in result["paths"].values():
        for operation in operations.values():
            operation.setdefault("security", [])  # or the document's own, which asks for a token, holds
    return result
