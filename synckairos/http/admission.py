"""ASGI middleware that refuses requests with a foreign Host, and, in production, requests without TLS.

In production, Django redirects a plain-HTTP GET without credentials to HTTPS, for people who follow an old link. Other
plain HTTP is refused: a redirect would hide that credentials could be read on their way, and behind a proxy that is not
trusted it would loop for ever.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from synckairos import ids
from synckairos.errors import ApiError, HttpsRequired, ValidationFailed
from synckairos.http import client_address, error_responses, security_log
from synckairos.http.allowed_hosts import hosts
from synckairos.http.asgi import Application, Event, Receive, Scope, Send, header, headers, server_request_of
from synckairos.http.request_log import (
    FORWARDED_PROTO_HEADER,
    PROBE_PATHS,
    REQUEST_ID_HEADER,
    with_client_scheme,
    with_probe_host,
)
from synckairos.http.security_headers import SecurityHeaders
from synckairos.http.security_log import Reason
from synckairos.telemetry import log_context

_MAX_LOGGED_HOST = 100
"""Length to which the log cuts a foreign Host: enough to recognise a name that the settings lack."""
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_CREDENTIAL_PARAMETERS = frozenset({"token", "ticket"})
_TLS_SCHEMES = frozenset({"https", "wss"})


class Admission:
    """Refuses HTTP requests, or passes them on with the scheme that the client used."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resolved = with_client_scheme(scope)
        error = None if _is_refused_by_server(scope) else admission_error(scope, resolved)
        if error is None:
            await self.inner(with_probe_host(resolved), receive, send)
        else:
            await _error_application(error)(resolved, receive, send)


class SocketAdmission:
    """Refuses WebSocket handshakes, or passes them on."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        log_context.start(request_id=ids.request_id_from(header(scope, REQUEST_ID_HEADER)))
        error = admission_error(scope, with_client_scheme(scope))
        if error is None:
            await self.inner(scope, receive, send)
        else:
            await reject_handshake(error, scope, receive, send)


async def reject_handshake(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake with the documented response, or with a bare 403 where the server cannot send one."""
    await receive()  # websocket.connect

    async def as_handshake(event: Event) -> None:
        if event["type"] == "http.response.start":
            request_id = log_context.current()["request_id"]
            event["headers"] = [*event["headers"], (REQUEST_ID_HEADER, request_id.encode())]
        await send({**event, "type": f"websocket.{event['type']}"})

    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _error_application(error)(scope, receive, as_handshake)
    else:
        await send({"type": "websocket.close"})


def admission_error(received: Scope, resolved: Scope) -> ApiError | None:
    """Return the error that refuses a connection, or None. `resolved` is the scope with the client's scheme."""
    is_probe = received["type"] == "http" and received["path"] in PROBE_PATHS
    if is_probe:
        return None  # probes come from inside, by IP address and without TLS
    given = [value for name, value in received["headers"] if name == b"host"]
    if not all(map(hosts().allows, given or [None])):
        security_log.log_refused_connection(
            Reason.BAD_HOST, received, host=b", ".join(given)[:_MAX_LOGGED_HOST].decode("latin-1")
        )
        return ValidationFailed([("Host", "Not a name of this server.")])
    if not settings.SECURE_SSL_REDIRECT or resolved.get("scheme") in _TLS_SCHEMES:
        return None
    return _tls_error(received)


def _tls_error(scope: Scope) -> ApiError | None:
    """Return the error that refuses a connection without TLS; None when Django may redirect it to HTTPS."""
    forwarded = [text.strip().lower() for text in headers(scope, FORWARDED_PROTO_HEADER)]
    is_from_trusted_proxy = client_address.is_from_trusted_proxy(scope)
    if not is_from_trusted_proxy and (forwarded or headers(scope, b"x-forwarded-for")):
        security_log.count_refusal(Reason.UNNAMED_PROXY)
        client_address.warn_once("requests are refused: they come by a proxy that is not in SYNCKAIROS_TRUSTED_PROXIES")
        return HttpsRequired.by_unnamed_proxy()
    if is_from_trusted_proxy and forwarded not in (["http"], ["ws"]):
        security_log.log_refused_connection(Reason.UNNAMED_PROXY, scope)
        return HttpsRequired.by_silent_proxy()
    if _may_be_redirected(scope):
        return None
    security_log.log_refused_connection(Reason.PLAIN_HTTP, scope)
    return HttpsRequired()


def _may_be_redirected(scope: Scope) -> bool:
    """Return true for a request with a safe method and without credentials."""
    if scope["type"] != "http" or scope["method"] not in _SAFE_METHODS:
        return False
    session = f"{settings.SESSION_COOKIE_NAME}="
    has_secret = headers(scope, b"authorization") or any(session in cookie for cookie in headers(scope, b"cookie"))
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return not has_secret and _CREDENTIAL_PARAMETERS.isdisjoint(name for name, _ in query)


def _is_refused_by_server(scope: Scope) -> bool:
    """Return true when the server has refused the request by its head. Its body may be incomplete."""
    request = server_request_of(scope)
    return request is not None and request.refusal is not None


def _error_application(error: ApiError) -> Application:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await error_responses.send_error(send, error)

    return SecurityHeaders(refuse)
