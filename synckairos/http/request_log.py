"""ASGI middleware that gives each request an id, an access-log line and metrics. It is outermost and uses no thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from django.conf import settings

from synckairos import ids
from synckairos.http import client_address, security_log
from synckairos.http.allowed_hosts import PROBE_HOST
from synckairos.http.asgi import Application, Event, Receive, Scope, Send, header, headers, server_request_of
from synckairos.telemetry import log_context, metrics
from synckairos.telemetry.logs import AccessLog

REQUEST_ID_HEADER = b"x-request-id"
PROBE_PATHS = frozenset({"/health", "/ready", "/metrics"})
"""Paths that probes request from inside the network, by IP address and without TLS."""
FORWARDED_PROTO_HEADER = b"x-forwarded-proto"
"""Field in which a proxy names the scheme that the client used."""
_CLIENT_CLOSED_REQUEST = 499
_LOGGED_REFUSALS = frozenset({401, 429})
_BODILESS = frozenset({204, 304})
_LONG_REQUEST_ENDINGS = ("/poll", "/stream")
"""Endings of routes that wait by design. They have a histogram of their own, since they would hide the slow percentiles
of all other routes."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Logs and measures each request of the HTTP application that it wraps."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = server_request_of(scope)
        started_s = time.perf_counter() if request is None else request.started_s
        request_id = ids.request_id_from(header(scope, REQUEST_ID_HEADER))
        info = log_context.start(request_id=request_id)
        status = _CLIENT_CLOSED_REQUEST

        async def answer(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                if status in _LOGGED_REFUSALS:
                    security_log.log_error_status(scope, status, info.get("route"))
                given = event["headers"] if status not in _BODILESS else _without_content_length(event["headers"])
                event["headers"] = [*given, (REQUEST_ID_HEADER, request_id.encode())]
            await send(event)

        try:
            await self.inner(scope, receive, answer)
        finally:
            log_request(scope["method"], scope["path"], info, status, time.perf_counter() - started_s)


def _without_content_length(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Remove Content-Length, which Django sets to 0 in 204 and 304. A 204 must have none, and a 304 only the length of
    the 200 that it stands for (RFC 9110, 8.6)."""
    return [(name, value) for name, value in fields if name.lower() != b"content-length"]


def with_client_scheme(scope: Scope) -> Scope:
    """Return the scope with the scheme that the client used, and without X-Forwarded-Proto. Only the word of a trusted
    proxy counts."""
    if FORWARDED_PROTO_HEADER not in [name for name, _ in scope["headers"]]:
        return scope
    forwarded = headers(scope, FORWARDED_PROTO_HEADER)
    others = [(name, value) for name, value in scope["headers"] if name != FORWARDED_PROTO_HEADER]
    words = [text.strip().lower() for text in forwarded]
    is_secure = client_address.is_from_trusted_proxy(scope) and words in (
        ["https"],
        ["wss"],
    )  # Traefik sends it for a handshake
    return {**scope, "headers": others, **({"scheme": "https"} if is_secure else {})}


def with_probe_host(scope: Scope) -> Scope:
    """Return the scope of a probe with an accepted Host: probes and Prometheus use the IP address of a process."""
    if scope["path"] not in PROBE_PATHS:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [*others, (b"host", PROBE_HOST.encode())]}


def log_request(method: str, path: str, info: dict[str, Any], status: int, seconds: float) -> None:
    """Count a request that was answered, and write its access-log line in the log context `info`."""
    method = method if method in _METHODS else "other"
    answered, took = _metrics_of(method, info.pop("route", "other"), status)
    answered.inc()
    took.observe(seconds)
    level = logging.DEBUG if path in PROBE_PATHS else logging.INFO
    # The path only: a query string may hold credentials.
    _access_log().log_request(level, method=method, path=path, status=status, ms=round(seconds * 1000, 1))


@cache
def _access_log() -> AccessLog:
    log: AccessLog = settings.ACCESS_LOG  # a lookup in Django's lazy settings costs more than the log line
    return log


@cache
def _metrics_of(method: str, route: str, status: int) -> tuple[Any, Any]:
    """Return counter and histogram of one kind of request. The cache stays small: routes and statuses are few."""
    seconds = metrics.HTTP_WAITING_SECONDS if route.endswith(_LONG_REQUEST_ENDINGS) else metrics.HTTP_SECONDS
    return metrics.HTTP_REQUESTS.labels(method, route, str(status)), seconds.labels(method, route)
