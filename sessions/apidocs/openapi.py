"""OpenAPI decorators of the REST endpoints, with the schemas of request bodies and of responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from sessions.apidocs import query_parameters, time_controls
from sessions.commands import CommandType
from sessions.requests import bodies
from sessions.requests.values import schema_hook
from sessions.schemas import (
    BatchView,
    PresenceView,
    SessionListView,
    SessionTokenView,
    StateView,
    SummaryView,
    SwitchView,
    TicketView,
)
from synckairos.engine.commands import Switch
from synckairos.http.openapi import components_of, name_of, ref, stem

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Security scheme of the document: bearer tokens."""

    target_class = "synckairos.http.drf.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return nothing: every operation gets `SECURITY` of the settings."""
        return []


_VIEWS = (StateView, SwitchView, SummaryView, PresenceView, BatchView, SessionListView, TicketView, SessionTokenView)


def response_schema(view: type) -> dict[str, Any]:
    """Return the schema of `{"data": …}` around a view."""
    return ref(stem(view.__name__) + "Response")


def _envelope(name: str) -> dict[str, Any]:
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


_REQUESTS = [
    kind
    for kind in vars(bodies).values()
    if isinstance(kind, type) and issubclass(kind, bodies.Body) and kind not in {bodies.Body, bodies.EmptyRequest}
]


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without defaults: generated clients would send them all."""
    schema["properties"] = {
        name: {key: value for key, value in part.items() if key != "default"}
        for name, part in schema.get("properties", {}).items()
    }
    return {key: value for key, value in schema.items() if value != []}


COMPONENTS: dict[str, Any] = {
    **{name: _without_defaults(schema) for name, schema in components_of(*_REQUESTS, schema_hook=schema_hook).items()},
    **components_of(*_VIEWS),
    **time_controls.strict_components(),
    **{stem(view.__name__) + "Response": _envelope(name_of(view.__name__)) for view in _VIEWS},
    "PartialState": {name: part for name, part in components_of(StateView)["State"].items() if name != "required"},
    "PartialStateResponse": _envelope("PartialState"),
    "TokenPair": _texts("access", "refresh"),
    "Error": _ERROR,
    "ErrorResponse": {"type": "object", "required": ["error"], "properties": {"error": ref("Error")}},
}
"""JSON schemas of all request bodies and responses."""
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


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)


_KEY = _header("Idempotency-Key", "A repeat within 24 h returns the first answer and changes nothing.")
_IF_MATCH = _header(
    "If-Match",
    "Refused with 412 unless the session has one of these `ETag`s; `*` for any. "
    '`"v3"` is version 3, also of a session that was made anew under its id.',
)


def _responses(good: dict[int, Any], *errors: int) -> dict[int, Any]:
    return {**good, **{status: OpenApiResponse(ERROR_SCHEMA, ERRORS[status]) for status in sorted(set(errors))}}


def _operation(
    name: str, summary: str, good: dict[int, Any], *errors: int, body: type[bodies.Body] | None = None, **more: Any
) -> Callable[[F], F]:
    """Return the decorator of an operation. Generated clients name their functions after the operation."""
    responses = _responses(good, *errors, *COMMON_ERRORS)
    request = None if body is None else _content(body)
    return extend_schema(
        operation_id=name, tags=["sessions"], summary=summary, responses=responses, request=request, **more
    )


def _content(body: type[bodies.Body]) -> dict[str, Any]:
    return {"application/json": ref(body.__name__)}


COMMON_ERRORS = (401, 429, 500, 503)
_BODY_ERRORS = (400, 413, 415)
_COMMAND_ERRORS = (*_BODY_ERRORS, 403, 404, 409, 412, 422)


def _read(name: str, summary: str, view: type) -> Callable[[F], F]:
    return _operation(name, summary, {200: response_schema(view)}, 400, 404)


def _post(name: str, summary: str, body: type[bodies.Body], status: int, view: type, *errors: int) -> Callable[[F], F]:
    """Return the decorator of an operation with a body. If it can answer 422, it accepts an Idempotency-Key."""
    parameters = [_KEY] if 422 in errors else []  # noqa: PLR2004 - a status
    good = {status: response_schema(view)}
    return _operation(name, summary, good, *_BODY_ERRORS, *errors, body=body, parameters=parameters)


def _command(name: str, summary: str, body: type[bodies.Body], view: type = StateView, **more: Any) -> Callable[[F], F]:
    good = {200: response_schema(view)}
    return _operation(name, summary, good, *_COMMAND_ERRORS, body=body, parameters=[_KEY, _IF_MATCH], **more)


def _deletion(name: str, summary: str, *errors: int) -> Callable[[F], F]:
    return _operation(name, summary, {204: None}, *_BODY_ERRORS, 403, 412, *errors, parameters=[_IF_MATCH])


create = _post("createSession", "Create a session", bodies.CreateSessionRequest, 201, StateView, 403, 409, 422)
get = _operation(
    "getSession",
    "Read a session",
    {200: {"anyOf": [response_schema(StateView), ref("PartialStateResponse")]}, 304: None},
    400,
    404,
    parameters=[
        OpenApiParameter(
            "fields", str, description="Top-level fields to answer with, separated by commas; without it, all."
        ),
        _header("If-None-Match", "304 while the `ETag` is this."),
    ],
)
delete = _deletion("deleteSession", "Delete a session")
add_participant = _command("addParticipant", "Add a participant", bodies.AddParticipantRequest)
adjust = _command(
    "adjustParticipant",
    "Set or move a participant's time (also controllers, if permitted), or say whose seat it is (the owner and staff)",
    bodies.AdjustTimeRequest,
)


list_sessions = _operation(
    "listSessions",
    "List sessions, the newest first: those one owns or takes part in; for staff, all",
    {200: response_schema(SessionListView)},
    400,
    403,
    parameters=query_parameters.OF_LISTS,
)
export_events = _operation(
    "exportEvents",
    "Export events of the audit as a file that is made while it is sent; for staff",
    query_parameters.FILES,
    400,
    403,
    parameters=query_parameters.OF_EXPORTS,
)
presence = _read("getSessionPresence", "Read who is connected to a session", PresenceView)
summary = _read("getSessionSummary", "Read a session in short", SummaryView)
batch = _post("getSessions", "Read many sessions", bodies.ReadSessionsRequest, 200, BatchView)
ticket = _post(
    "createTicket",
    "Buy a one-time ticket for a socket or event stream of a session",
    bodies.TicketRequest,
    201,
    TicketView,
)
issue_token = _post(
    "createSessionToken",
    "Give a role in a session: a token for one session",
    bodies.SessionTokenRequest,
    201,
    SessionTokenView,
    *(403, 404, 422),
)
revoke_token = _deletion("revokeSessionToken", "Revoke one session token", 404)
revoke_tokens = _deletion("revokeSessionTokens", "Revoke all session tokens given out so far", 404)


_ROTATION_KEY = _header(
    "Idempotency-Key",
    "Who has lost the answer gets the same refresh token again, until that is used. "
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
    view = SwitchView if row.kind is Switch else StateView
    described = _command(row.operation_id, summary, row.body, view, description=more)
    decorate: Callable[[type[V]], type[V]] = extend_schema_view(**{row.method.lower(): described})
    return decorate
