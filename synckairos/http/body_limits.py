"""ASGI middleware that reads the whole body within limits of size and time, and turns exceptions into responses."""

from __future__ import annotations

import asyncio

from synckairos.conf import conf
from synckairos.errors import ApiError, InternalError, PayloadTooLarge, RequestTimeout
from synckairos.http import error_responses
from synckairos.http.asgi import Application, Event, Receive, Scope, Send, header, server_request_of
from synckairos.http.parameters import check_header_fields
from synckairos.telemetry import logs

log = logs.get_logger(__name__)


class _ClientDisconnected(Exception):
    """The client went away before its body was complete."""


class BodyLimits:
    """Passes only complete request bodies to the HTTP application that it wraps."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def answer(event: Event) -> None:
            nonlocal has_started
            has_started = True
            await send(event)

        try:
            check_header_fields(scope)
            body = await _read_within_timeout(scope, receive)
            await self.inner(_with_length(scope, body), replay(body, receive), answer)
        except ApiError as error:
            await error_responses.send_error(answer, error)
        except _ClientDisconnected:
            log.debug("client left")  # no response is possible
        except Exception:
            log.exception("request failed")
            if not has_started:
                await error_responses.send_error(answer, InternalError())


async def _read_within_timeout(scope: Scope, receive: Receive) -> bytes:
    """Return the whole body. Raises RequestTimeout, and the error that the server has refused the request with."""
    request = server_request_of(scope)
    if request is not None:
        if request.refusal is not None:
            raise request.refusal
        if request.has_arrived():
            return await _read(scope, receive)
    try:
        async with asyncio.timeout(conf().body_timeout_s):
            return await _read(scope, receive)
    except TimeoutError:
        raise RequestTimeout from None


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Return the whole body. Raises PayloadTooLarge as soon as the declared or received length exceeds the limit."""
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > conf().max_body_bytes:
        raise PayloadTooLarge
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _ClientDisconnected
        body += event.get("body", b"")
        if len(body) > conf().max_body_bytes:
            raise PayloadTooLarge
        if not event.get("more_body", False):
            return bytes(body)


def _with_length(scope: Scope, body: bytes) -> Scope:
    """Return the scope with a Content-Length. A chunked request has none, and DRF reads no body without it."""
    if not body or header(scope, b"content-length") is not None:
        return scope
    return {**scope, "headers": [*scope["headers"], (b"content-length", str(len(body)).encode())]}


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives this body first, and does not keep it: Django's handler, a task of its own and the error
    that cancels it refer to each other in a circle, with this."""
    waiting: bytes | None = body

    async def again() -> Event:
        nonlocal waiting
        if waiting is None:
            return await receive()
        event, waiting = {"type": "http.request", "body": waiting, "more_body": False}, None
        return event

    return again
