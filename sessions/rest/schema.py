"""The OpenAPI side of the REST doors: what each answers, from the same views that are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from sessions.presentation import PresenceView, SessionTokenView, StateView, SummaryView, SwitchView, TicketView
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
    [StateView, SwitchView, SummaryView, PresenceView, TicketView, SessionTokenView],
    ref_template="#/components/schemas/{name}",
)
COMPONENTS: dict[str, Any] = _components
"""JSON schemas of all views, for the document's components."""


def envelope(name: str) -> dict[str, Any]:
    """The schema of `{"data": …}` around a view."""
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"$ref": f"#/components/schemas/{name}"}},
    }


ERRORS = {
    400: "VALIDATION_ERROR, INVALID_STATE_TRANSITION",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "SESSION_NOT_FOUND, PARTICIPANT_NOT_FOUND",
    409: "CONFLICT, SESSION_ALREADY_EXISTS",
    412: "PRECONDITION_FAILED",
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
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='Refused with 412 unless the session is at one of these versions: `"v3"`, `"v3", "v4"`; `*` for any.',
)


def _responses(good: dict[int, Any], *errors: int) -> dict[int, Any]:
    return {**good, **{status: OpenApiResponse(ERROR_SCHEMA, ERRORS[status]) for status in sorted(set(errors))}}


def _door(summary: str, good: dict[int, Any], *errors: int, **more: Any) -> Callable[[F], F]:
    responses = _responses(good, *errors, *COMMON_ERRORS)
    return extend_schema(tags=["sessions"], summary=summary, responses=responses, **more)


COMMON_ERRORS = (401, 429, 500, 503)
_COMMAND_ERRORS = (400, 403, 404, 409, 412, 413, 415, 422)

create = _door(
    "Create a session",
    {201: envelope("StateView")},
    400,
    403,
    409,
    413,
    415,
    422,
    request=bodies.CreateBody,
    parameters=[_KEY],
)
get = _door(
    "Read a session",
    {200: envelope("StateView"), 304: None},
    400,
    404,
    parameters=[
        OpenApiParameter("fields", str, description="Top-level fields to answer with, separated by commas."),
        OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="304 while the version is this."),
    ],
)
delete = _door("Delete a session", {204: None}, 400, 403, 412, parameters=[_IF_MATCH])
switch = _door(
    "End the running cycle and begin the next",
    {200: envelope("SwitchView")},
    *_COMMAND_ERRORS,
    request=bodies.SwitchBody,
    parameters=[_KEY, _IF_MATCH],
)
add_participant = _door(
    "Add a participant",
    {200: envelope("StateView")},
    *_COMMAND_ERRORS,
    request=bodies.AddParticipantBody,
    parameters=[_KEY, _IF_MATCH],
)
adjust = _door(
    "Set or move a participant's time (the owner and staff)",
    {200: envelope("StateView")},
    *_COMMAND_ERRORS,
    request=bodies.AdjustBody,
    parameters=[_KEY, _IF_MATCH],
)
presence = _door("Read who is connected to a session", {200: envelope("PresenceView")}, 400, 404)
summary = _door("Read a session in short", {200: envelope("SummaryView")}, 400, 404)
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
ticket = _door(
    "Buy a one-time ticket for a socket or event stream of a session",
    {201: envelope("TicketView")},
    400,
    413,
    415,
    request=bodies.TicketBody,
)


give_token = _door(
    "Give a role in a session: a token for one session",
    {201: envelope("SessionTokenView")},
    *(400, 403, 404, 413, 415),
    request=bodies.SessionTokenBody,
)
revoke_token = _door("Revoke one session token", {204: None}, 400, 403, 404, 412, parameters=[_IF_MATCH])
revoke_tokens = _door(
    "Revoke all session tokens given out so far",
    {204: None},
    *(400, 403, 404, 412),
    parameters=[_IF_MATCH],
    operation_id="v1_sessions_tokens_destroy_all",
)


def token(summary: str, *fields: str) -> Callable[[F], F]:
    """The document of a door that gives tokens for credentials, or takes them and answers with nothing."""
    pair = {
        "type": "object",
        "required": list(fields),
        "properties": {field: {"type": "string"} for field in fields},
    }
    responses = _responses({200: pair} if fields else {204: None}, 400, 401, 413, 415, 429, 500, 503)
    return extend_schema(tags=["tokens"], summary=summary, description="", auth=[], responses=responses)


def command(verb: str, statuses: str) -> Callable[[type], type]:
    """The document of a command without arguments."""
    post = _door(
        f"{verb.capitalize()} a session that is {statuses}",
        {200: envelope("StateView")},
        *_COMMAND_ERRORS,
        request=bodies.VersionBody,
        parameters=[_KEY, _IF_MATCH],
    )
    decorate: Callable[[type], type] = extend_schema_view(post=post)
    return decorate
