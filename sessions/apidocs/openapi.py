"""The OpenAPI side of the REST doors: what each answers, from the same views that are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from sessions.commands import CommandType
from sessions.presentation import (
    BatchView,
    PresenceView,
    SessionTokenView,
    StateView,
    SummaryView,
    SwitchView,
    TicketView,
)
from sessions.requests import bodies
from sessions.requests.values import schema_hook
from synckairos.engine.commands import Switch
from synckairos.http.openapi import components_of, name_of, ref, stem

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The name of the authentication scheme in the document."""

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


_VIEWS = (StateView, SwitchView, SummaryView, PresenceView, BatchView, TicketView, SessionTokenView)


def answer_of(view: type) -> dict[str, Any]:
    """The schema of `{"data": …}` around a view."""
    return ref(stem(view.__name__) + "Response")


def _enveloped(name: str) -> dict[str, Any]:
    return {"type": "object", "required": ["data"], "properties": {"data": ref(name)}}


def _texts(*fields: str) -> dict[str, Any]:
    return {"type": "object", "required": [*fields], "properties": {field: {"type": "string"} for field in fields}}


_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "For programs; ignore none, there may be more of them one day."},
        "message": {"type": "string", "description": "For developers: what is wrong, and what to do about it."},
        "details": {"description": "What it is about; its form depends on the code."},
        "retry_after_seconds": {"type": "integer"},
    },
}


_REQUESTS = (
    bodies.CreateSessionRequest,
    bodies.CommandRequest,
    bodies.SwitchRequest,
    bodies.AddParticipantRequest,
    bodies.AdjustTimeRequest,
    bodies.ReadSessionsRequest,
    bodies.TicketRequest,
    bodies.SessionTokenRequest,
    bodies.TokenRequest,
    bodies.RefreshTokenRequest,
    bodies.RevokeTokenRequest,
)


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Generated clients would send every default of a request."""
    schema["properties"] = {
        name: {key: value for key, value in part.items() if key != "default"}
        for name, part in schema.get("properties", {}).items()
    }
    return {key: value for key, value in schema.items() if value != []}


COMPONENTS: dict[str, Any] = {
    **{name: _without_defaults(schema) for name, schema in components_of(*_REQUESTS, schema_hook=schema_hook).items()},
    **components_of(*_VIEWS),
    **{stem(view.__name__) + "Response": _enveloped(name_of(view.__name__)) for view in _VIEWS},
    "PartialState": {name: part for name, part in components_of(StateView)["State"].items() if name != "required"},
    "PartialStateResponse": _enveloped("PartialState"),
    "TokenPair": _texts("access", "refresh"),
    "Error": _ERROR,
    "ErrorResponse": {"type": "object", "required": ["error"], "properties": {"error": ref("Error")}},
}
"""JSON schemas of all answers, for the document's components."""
ERROR_SCHEMA = ref("ErrorResponse")

ERRORS = {
    400: "VALIDATION_ERROR, INVALID_STATE_TRANSITION",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN, HTTPS_REQUIRED",
    404: "SESSION_NOT_FOUND, PARTICIPANT_NOT_FOUND",
    409: "CONFLICT, SESSION_ALREADY_EXISTS, SESSION_LIMIT_EXCEEDED",
    412: "PRECONDITION_FAILED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "IDEMPOTENCY_KEY_REUSED",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
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
    description="Refused with 412 unless the session has one of these `ETag`s; `*` for any. "
    '`"v3"` is version 3, also of a session that was made anew under its id.',
)


def _responses(good: dict[int, Any], *errors: int) -> dict[int, Any]:
    return {**good, **{status: OpenApiResponse(ERROR_SCHEMA, ERRORS[status]) for status in sorted(set(errors))}}


def _door(
    name: str, summary: str, good: dict[int, Any], *errors: int, body: type[bodies.Body] | None = None, **more: Any
) -> Callable[[F], F]:
    """The document of an operation; generated clients call their function by its name."""
    responses = _responses(good, *errors, *COMMON_ERRORS)
    request = None if body is None else _content(body)
    return extend_schema(
        operation_id=name, tags=["sessions"], summary=summary, responses=responses, request=request, **more
    )


def _content(body: type[bodies.Body]) -> dict[str, Any]:
    return {"application/json": ref(body.__name__)}


COMMON_ERRORS = (401, 429, 500, 503)
_COMMAND_ERRORS = (400, 403, 404, 409, 412, 413, 415, 422)

create = _door(
    "createSession",
    "Create a session",
    {201: answer_of(StateView)},
    400,
    403,
    409,
    413,
    415,
    422,
    body=bodies.CreateSessionRequest,
    parameters=[_KEY],
)
get = _door(
    "getSession",
    "Read a session",
    {200: {"anyOf": [answer_of(StateView), ref("PartialStateResponse")]}, 304: None},
    400,
    404,
    parameters=[
        OpenApiParameter(
            "fields", str, description="Top-level fields to answer with, separated by commas; without it, all."
        ),
        OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="304 while the `ETag` is this."),
    ],
)
_DELETION_ERRORS = (400, 403, 412, 413, 415)
delete = _door("deleteSession", "Delete a session", {204: None}, *_DELETION_ERRORS, parameters=[_IF_MATCH])
add_participant = _door(
    "addParticipant",
    "Add a participant",
    {200: answer_of(StateView)},
    *_COMMAND_ERRORS,
    body=bodies.AddParticipantRequest,
    parameters=[_KEY, _IF_MATCH],
)
adjust = _door(
    "adjustParticipant",
    "Set or move a participant's time, or say whose seat it is (the owner and staff)",
    {200: answer_of(StateView)},
    *_COMMAND_ERRORS,
    body=bodies.AdjustTimeRequest,
    parameters=[_KEY, _IF_MATCH],
)
presence = _door("getSessionPresence", "Read who is connected to a session", {200: answer_of(PresenceView)}, 400, 404)
summary = _door("getSessionSummary", "Read a session in short", {200: answer_of(SummaryView)}, 400, 404)
batch = _door(
    "getSessions",
    "Read many sessions",
    {200: answer_of(BatchView)},
    400,
    413,
    415,
    body=bodies.ReadSessionsRequest,
)
ticket = _door(
    "createTicket",
    "Buy a one-time ticket for a socket or event stream of a session",
    {201: answer_of(TicketView)},
    400,
    413,
    415,
    body=bodies.TicketRequest,
)


give_token = _door(
    "createSessionToken",
    "Give a role in a session: a token for one session",
    {201: answer_of(SessionTokenView)},
    *(400, 403, 404, 413, 415, 422),
    body=bodies.SessionTokenRequest,
    parameters=[_KEY],
)
revoke_token = _door(
    "revokeSessionToken", "Revoke one session token", {204: None}, 404, *_DELETION_ERRORS, parameters=[_IF_MATCH]
)
revoke_tokens = _door(
    "revokeSessionTokens",
    "Revoke all session tokens given out so far",
    {204: None},
    404,
    *_DELETION_ERRORS,
    parameters=[_IF_MATCH],
)


_ROTATION_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Who has lost the answer gets the same refresh token again, until that is used. "
    "Without the same key, a spent token ends the login.",
)


def token(name: str, summary: str, body: type[bodies.Body]) -> Callable[[F], F]:
    """Return the decorator that documents an operation on tokens."""
    good = {204: None} if body is bodies.RevokeTokenRequest else {200: ref("TokenPair")}
    return extend_schema(
        operation_id=name,
        tags=["tokens"],
        summary=summary,
        description="",
        auth=[],
        parameters=[_ROTATION_KEY] if body is bodies.RefreshTokenRequest else [],
        request=_content(body),
        responses=_responses(good, 400, 401, 413, 415, 429, 500, 503),
    )


def command(row: CommandType) -> Callable[[type[V]], type[V]]:
    """Return the decorator that documents the view of a command."""
    summary, _, more = row.summary.partition(". ")
    post = _door(
        f"{row.verb}Session",
        summary,
        {200: answer_of(SwitchView if row.kind is Switch else StateView)},
        *_COMMAND_ERRORS,
        body=row.body,
        parameters=[_KEY, _IF_MATCH],
        description=more,
    )
    decorate: Callable[[type[V]], type[V]] = extend_schema_view(post=post)
    return decorate
