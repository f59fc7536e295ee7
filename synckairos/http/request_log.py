"""The first thing a request meets: an id, who it is by, an access-log line, a metric. Plain ASGI, no thread."""

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
"""Asked from inside, by address and without TLS."""
FORWARDED_PROTO_HEADER = b"x-forwarded-proto"
"""In which a proxy says how the client has come."""
_CLIENT_CLOSED_REQUEST = 499
_LOGGED_REFUSALS = frozenset({401, 429})
_BODILESS = frozenset({204, 304})
_LONG_REQUEST_ENDINGS = ("/poll", "/stream")
"""Ends of routes that wait by nature: among the others, they would be all that a slow percentile shows."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Wraps the HTTP application."""

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
    """Of an answer without a body: 204 may say no length, and 304 only that of the 200 it stands for, which nobody has
    worked out (RFC 9110, 8.6). Django and others say 0 of both."""
    return [(name, value) for name, value in fields if name.lower() != b"content-length"]


def with_client_scheme(scope: Scope) -> Scope:
    """The scheme that the client has used: only a trusted proxy is believed about it, and nobody after us is told."""
    if FORWARDED_PROTO_HEADER not in [name for name, _ in scope["headers"]]:
        return scope
    told = headers(scope, FORWARDED_PROTO_HEADER)
    others = [(name, value) for name, value in scope["headers"] if name != FORWARDED_PROTO_HEADER]
    words = [text.strip().lower() for text in told]
    is_secure = client_address.is_from_trusted_proxy(scope) and words in (
        ["https"],
        ["wss"],
    )  # some say so of a handshake (Traefik)
    return {**scope, "headers": others, **({"scheme": "https"} if is_secure else {})}


def with_probe_host(scope: Scope) -> Scope:
    """Probes and Prometheus ask a process by its address, which is no host name of ours."""
    if scope["path"] not in PROBE_PATHS:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [*others, (b"host", PROBE_HOST.encode())]}


def log_request(method: str, path: str, info: dict[str, Any], status: int, seconds: float) -> None:
    """Count a request that was answered, and write its line, in the context of `info`."""
    method = method if method in _METHODS else "other"
    answered, took = _metrics_of(method, info.pop("route", "other"), status)
    answered.inc()
    took.observe(seconds)
    level = logging.DEBUG if path in PROBE_PATHS else logging.INFO
    # The path only: a query string may hold credentials.
    _access_log().log_request(level, method=method, path=path, status=status, ms=round(seconds * 1000, 1))


@cache
def _access_log() -> AccessLog:
    log: AccessLog = settings.ACCESS_LOG  # Django's lazy settings cost more than what asks for them
    return log


@cache
def _metrics_of(method: str, route: str, status: int) -> tuple[Any, Any]:
    """What counts requests of one kind: routes and statuses are ours, and few."""
    seconds = metrics.HTTP_WAITING_SECONDS if route.endswith(_LONG_REQUEST_ENDINGS) else metrics.HTTP_SECONDS
    return metrics.HTTP_REQUESTS.labels(method, route, str(status)), seconds.labels(method, route)
