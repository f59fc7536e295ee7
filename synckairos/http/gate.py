"""The first thing a request meets: an id, a limit to its body, an access-log line, a metric. Plain ASGI, no thread."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

from django.conf import settings

from synckairos import context, ids, logs, metrics
from synckairos.conf import conf
from synckairos.errors import ApiError, InternalError, PayloadTooLarge
from synckairos.http import answers

log = logs.get(__name__)

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID_HEADER = b"x-request-id"
_PROBED_PATHS = frozenset({"/health", "/ready", "/metrics"})
PROBE_HOST = "localhost"
"""The name by which Django knows a caller that asks by address; always one of ALLOWED_HOSTS."""


class _ClientLeft(Exception):
    """The client went away before its body was complete."""


class Gate:
    """Wraps the HTTP application."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id = ids.accepted_request_id(_header(scope, REQUEST_ID_HEADER))
        info = context.begin(request_id=request_id)
        status = 0

        async def answer(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = [*event["headers"], (REQUEST_ID_HEADER, request_id.encode())]
            await send(event)

        try:
            body = await _read_body(scope, receive)
            await self.inner(_known_host(_with_length(scope, body)), replay(body, receive), answer)
        except ApiError as error:
            await answers.refuse(answer, error)
        except _ClientLeft:
            status = 499  # nobody is there to answer; the log line says so
        except Exception:
            log.exception("request failed")
            if not status:
                await answers.refuse(answer, InternalError())
        finally:
            _record(scope, info, status, time.perf_counter() - began)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key.lower() == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body, which is small by contract. Raises PayloadTooLarge as soon as that is known."""
    declared = _header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > conf().max_body_bytes:
        raise PayloadTooLarge
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _ClientLeft
        body += event.get("body", b"")
        if len(body) > conf().max_body_bytes:
            raise PayloadTooLarge
        if not event.get("more_body", False):
            return bytes(body)


def _with_length(scope: Scope, body: bytes) -> Scope:
    """The scope with the body's length, which a chunked request leaves out and without which DRF reads no body."""
    if not body or _header(scope, b"content-length") is not None:
        return scope
    return {**scope, "headers": [*scope["headers"], (b"content-length", str(len(body)).encode())]}


def _known_host(scope: Scope) -> Scope:
    """Probes and Prometheus ask a process by its address, which is no host name of ours."""
    if scope["path"] not in _PROBED_PATHS:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [*others, (b"host", PROBE_HOST.encode())]}


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives this body first."""
    sent = False

    async def again() -> Event:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _record(scope: Scope, info: dict[str, Any], status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    answered, took = _meters(method, info.pop("route", "other"), status)
    answered.inc()
    took.observe(seconds)
    access: Any = settings.ACCESS_LOG
    level = access.debug if scope["path"] in _PROBED_PATHS else access.info
    # The path only: a query string may hold credentials.
    level("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))


@cache
def _meters(method: str, route: str, status: int) -> tuple[Any, Any]:
    """What counts requests of one kind: routes and statuses are ours, and few."""
    return metrics.HTTP_REQUESTS.labels(method, route, str(status)), metrics.HTTP_SECONDS.labels(method, route)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
