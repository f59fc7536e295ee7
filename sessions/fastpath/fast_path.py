"""The fast path: sessions are created, commanded and read without a thread, without a task and without a framework.

These are the most frequent requests, and Django's handler, DRF and their threads cost several times what the requests
themselves do (docs/performance.md). So well-formed requests are served here, in front of Django, by the same services,
with the same answers and the same refusals. A request that is malformed, or uses what is rare, is passed on to the DRF
views (sessions/rest/views.py), which find the words for what is wrong.

The fast path is no ASGI application: the server gives it whole requests (`EarlyHandler` in synckairos/http/asgi.py),
and it writes its answer in one piece, with the header lines that the other applications would add.
"""

from __future__ import annotations

import re
import time
from contextvars import copy_context
from typing import Any

import msgspec
from django.conf import settings
from msgspec import Struct
from msgspec.structs import astuple

from sessions.commands import COMMAND_BY_VERB
from sessions.devices import device_of
from sessions.fastpath.operations import Command, Creation, Operation, OrFromAudit, Read
from sessions.preconditions import precondition_in
from sessions.presentation import to_json
from sessions.requests.bodies import CreateSessionRequest
from sessions.requests.reading import convert
from sessions.services.command_queue import submit
from sessions.services.outcome import Caller, Idempotency, Outcome
from synckairos import background, ids
from synckairos.auth.principal import authenticate, bearer_token
from synckairos.errors import ApiError, InternalError, Unauthenticated, ValidationFailed
from synckairos.http import error_responses, json_bounds, security_log
from synckairos.http.allowed_hosts import hosts
from synckairos.http.asgi import EarlyRequest
from synckairos.http.cors import Cors, parse_origin
from synckairos.http.duplicate_names import check_unique_names
from synckairos.http.request_log import FORWARDED_PROTO_HEADER, REQUEST_ID_HEADER, log_request, with_client_scheme
from synckairos.http.security_headers import json_header_lines
from synckairos.keyed_hash import log_name
from synckairos.outbox import Door
from synckairos.ratelimit import limits
from synckairos.ratelimit.asgi import limit_unauthenticated
from synckairos.redis import keys
from synckairos.redis.procedures import run_on_loop
from synckairos.telemetry import log_context, logs

log = logs.get_logger(__name__)

_ROOT = "/v1/sessions"
_PATH = re.compile(rf"{_ROOT}(?:/([^/]+)(?:/({'|'.join(COMMAND_BY_VERB)}))?)?")
_WITHOUT_BODY = frozenset(verb for verb, row in COMMAND_BY_VERB.items() if not row.has_required_fields)
"""Commands for which an empty body is enough."""
_NUL = b"\\u0000"
"""A NUL character in JSON, which the view refuses; it accepts what only looks like one."""
_METHODS = frozenset({"GET", "POST", *(row.method for row in COMMAND_BY_VERB.values())})
_JSON = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
"""The usual spellings; other ones are passed on."""
_RARE_HEADERS = frozenset({b"if-none-match", b"content-encoding"})


class FastPath:
    """The fast path of the server, in front of the ASGI application."""

    def __init__(self, cors: Cors) -> None:
        self._cors = cors
        self._requires_https = settings.SECURE_SSL_REDIRECT
        self._hsts_seconds = settings.SECURE_HSTS_SECONDS

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request may be one of the fast path, by its method and path."""
        return method in _METHODS and path.startswith(_ROOT)

    def try_handle(self, request: EarlyRequest) -> bool:
        """Serve a request and return True; return False to have it forwarded."""
        fields, scheme = request.headers, request.scheme
        headers = dict(fields)
        if FORWARDED_PROTO_HEADER in headers:
            scope = with_client_scheme(request.scope)
            fields, scheme = scope["headers"], scope["scheme"]
            headers = dict(fields)
        if len(headers) < len(fields):
            return False  # a field that is given twice is ambiguous
        if self._requires_https and scheme != "https":
            return False
        if not hosts().allows(headers.get(b"host")):
            return False  # the refusals of both are the admission's (synckairos/http/admission.py)
        parsed = parse(request, headers)
        if parsed is None:
            return False
        _Serving(parsed, request, scheme, self).start()
        return True

    def head(self, scheme: str, origin: str | None, *, is_state: bool) -> bytes:
        """Return the header lines that do not depend on the outcome."""
        return json_header_lines(scheme, self._hsts_seconds, is_state) + self._cors.header_lines(origin)


class Request(Struct, frozen=True):
    """The parsed form of a request."""

    route: str
    """Its path pattern, for metrics and logs."""
    request_id: str
    origin: str | None
    """The origin of the page that has sent it."""
    caller: Caller | None = None
    """None when the credentials are missing or bad."""
    operation: Operation | None = None


class _Serving:
    """One request that the fast path serves, until it is answered; the completion of its operation."""

    __slots__ = ("_info", "_limiter", "_path", "_request", "_scheme", "_server_request")

    def __init__(self, request: Request, server_request: EarlyRequest, scheme: str, path: FastPath) -> None:
        self._request = request
        self._server_request = server_request
        self._scheme = scheme
        self._path = path
        self._limiter = limits.RateLimiter()
        self._info: dict[str, Any] = {}

    def start(self) -> None:
        """Start the operation, or refuse bad credentials."""
        request = self._request
        caller, operation, context = request.caller, request.operation, copy_context()
        info = {"request_id": request.request_id, "route": request.route}
        if caller is None or operation is None:
            self._info = context.run(log_context.start, **info)
            background.start(self._refuse_credentials(Unauthenticated()), "refusal", context)
            return
        info["principal"] = log_name(caller.principal.subject)
        if operation.session_id is not None:
            info["session_id"] = keys.id_text(operation.session_id)
        self._info = context.run(log_context.start, **info)
        procedure = operation.procedure(caller, self._limiter)
        if isinstance(operation, Command):
            submit(operation.session_id, procedure, self, context)
        else:
            archive = isinstance(operation, Read) and OrFromAudit(operation, caller, self._limiter, self)
            run_on_loop(procedure, archive or self, context)

    def done(self, outcome: Outcome) -> None:
        """Answer with the outcome."""
        try:
            request = self._request
            operation: Operation = request.operation  # type: ignore[assignment]  # it has been started
            fields = f"etag: {outcome.tag}\r\nx-request-id: {request.request_id}\r\n"
            if outcome.replayed:
                fields += "idempotency-replayed: true\r\n"
            body = to_json({"data": operation.view(outcome)})
            self._answer(operation.status, fields.encode(), body, is_state=True)
        except Exception:
            log.exception("answer failed")
            self._server_request.abort()

    def failed(self, error: Exception) -> None:
        """Answer with the documented error."""
        if not isinstance(error, ApiError):
            log.error("request failed", exc_info=error)
            error = InternalError()
        if isinstance(error, Unauthenticated):
            background.start(self._refuse_credentials(error), "refusal")
        else:
            self._refuse(error)

    async def _refuse_credentials(self, error: ApiError) -> None:
        """Refuse a request without good credentials, which counts for the limit of its address."""
        try:
            error = await limit_unauthenticated(error, self._server_request.scope, self._limiter)
        except ApiError as other:
            error = other
        except Exception:
            log.exception("request failed")
            error = InternalError()
        self._refuse(error)

    def _refuse(self, error: ApiError) -> None:
        try:
            (_, *fields), body = error_responses.error_response(error)  # the first is the content type
            lines = [b"%s: %s\r\n" % field for field in fields]
            lines.append(f"x-request-id: {self._request.request_id}\r\n".encode())
            self._answer(error.http_status, b"".join(lines), body, is_state=False)
        except Exception:
            log.exception("answer failed")
            self._server_request.abort()

    def _answer(self, status: int, fields: bytes, body: bytes, *, is_state: bool) -> None:
        request = self._server_request
        head = self._path.head(self._scheme, self._request.origin, is_state=is_state)
        request.answer(status, head + fields + self._limiter.header_lines(), body)
        if not is_state:
            security_log.log_error_status(request.scope, status, self._request.route)
        log_request(request.method, request.path, self._info, status, time.perf_counter() - request.started_s)


_ROUTES: dict[tuple[str, bool, str | None], str] = {
    ("POST", False, None): _ROOT,
    ("GET", True, None): f"{_ROOT}/<str:session_id>",
    **{(row.method, True, verb): f"{_ROOT}/<str:session_id>/{verb}" for verb, row in COMMAND_BY_VERB.items()},
}
"""The path patterns, by method, whether there is a session id, and verb."""


def parse(request: EarlyRequest, headers: dict[bytes, bytes]) -> Request | None:
    """Parse a request; None for one that is malformed, or uses what is rare. The headers are the request's own, but for
    those that proxies have added."""
    match = _PATH.fullmatch(request.path)
    is_large = len(request.body) > json_bounds.LARGE_BYTES
    if match is None or is_large or request.query_string or not _RARE_HEADERS.isdisjoint(headers):
        return None
    route = _ROUTES.get((request.method, match[1] is not None, match[2]))
    if route is None:
        return None
    try:
        return _parse(request, headers, route, match)
    except (ValidationFailed, msgspec.DecodeError, RecursionError, OverflowError, ValueError):
        return None


def _parse(request: EarlyRequest, headers: dict[bytes, bytes], route: str, match: re.Match[str]) -> Request:
    origin = parse_origin(headers[b"origin"]) if b"origin" in headers else None
    given_id = headers[REQUEST_ID_HEADER].decode("latin-1") if REQUEST_ID_HEADER in headers else None
    request_id = ids.request_id_from(given_id)
    try:
        principal = authenticate(bearer_token(headers.get(b"authorization", b"").decode("latin-1")) or "")
    except Unauthenticated:
        return Request(route, request_id, origin)
    session, verb = match.groups()
    session_id = None if session is None else ids.parse_uuid(session)
    if session is not None and session_id is None:
        raise ValueError
    if request.method == "GET" and session_id is not None:
        return Request(route, request_id, origin, Caller(principal, request_id), Read(session_id))
    decoded = _json(headers, bytes(request.body))
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    device = device_of(Door.REST, request.peer, forwarded, headers.get(b"user-agent", b"").decode("latin-1"))
    caller = Caller(principal, request_id, _idempotency(request, headers, decoded), device)
    if session_id is None or verb is None:
        creation = _creation(decoded, principal.subject)
        return Request(route, request_id, origin, caller, creation)
    only_if = precondition_in(headers[b"if-match"].decode("latin-1")) if b"if-match" in headers else None
    row = COMMAND_BY_VERB[verb]
    values = () if decoded == {} and verb in _WITHOUT_BODY else astuple(convert(decoded, row.body))
    command = row.command(values)
    return Request(route, request_id, origin, caller, Command(session_id, command, only_if))


def _creation(decoded: Any, owner: str) -> Creation:
    """Return the creation of a session. Raises ValueError for one that breaks a rule."""
    body = convert(decoded, CreateSessionRequest)
    command = body.command(owner)
    if body.broken(command):
        raise ValueError
    return Creation(command, body.session_id)


def _idempotency(request: EarlyRequest, headers: dict[bytes, bytes], decoded: Any) -> Idempotency | None:
    key = headers.get(b"idempotency-key")
    return None if key is None else Idempotency.of_request(key.decode("latin-1"), request.method, request.path, decoded)


def _json(headers: dict[bytes, bytes], raw: bytes) -> Any:
    """Return the decoded body; an empty one is an empty object. Raises ValueError for what is malformed."""
    media_type = headers.get(b"content-type", b"").lower()
    if media_type not in _JSON and (raw or media_type):
        raise ValueError
    if _NUL in raw:
        raise ValueError  # the audit database could not store it
    if not raw:
        return {}
    if json_bounds.may_have_too_many_values(raw):
        raise ValueError
    decoded = json_bounds.decode(raw)
    check_unique_names(raw, decoded)
    return decoded
