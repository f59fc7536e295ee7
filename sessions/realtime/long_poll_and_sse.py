"""For clients that cannot hold a WebSocket: long poll and Server-Sent Events, woken by the hub as sockets are.

Both stand in front of Django, which would hold a thread for each request that waits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec import Raw

from sessions import messages, weights
from sessions.entity_tags import entity_tag
from sessions.hub.hub import hub
from sessions.hub.position import NOWHERE, Position
from sessions.hub.subscriber import Subscriber
from sessions.presentation import present, to_json
from sessions.realtime.credentials import Credentials, credentials_of
from sessions.realtime.initial_state import read_initial_state, read_recovery
from sessions.realtime.poll_transport import PollTransport, StateFrame, state_frame_decoder
from synckairos import background, ids, lifecycle
from synckairos.auth.permissions import check_scope
from synckairos.auth.principal import bearer_token
from synckairos.close_codes import CloseCode
from synckairos.errors import (
    ApiError,
    MethodNotAllowed,
    ServiceUnavailable,
    SessionNotFound,
    Unauthenticated,
    UpgradeRequired,
    ValidationFailed,
)
from synckairos.http import error_responses, parameters
from synckairos.http.asgi import Scope, header, server_request_of
from synckairos.ratelimit import limits
from synckairos.ratelimit.asgi import RateLimitedSend, limit_unauthenticated
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import log_context, logs, metrics
from synckairos.webserver.transport import Frame, TaskTransport

log = logs.get_logger(__name__)

SOCKET_PATH = "/ws"
"""Path of WebSockets (config/asgi.py); other requests for it are refused."""
LONGEST_WAIT_MS = 30_000
LAST_EVENT_ID = "lastEventId"
"""The parameter that event-source-polyfill adds to the address of a stream it opens again."""
_NO_STATE = b"null"
_LARGEST_VERSION = 2**53
_KEEP_ALIVE_S = 15.0
"""Seconds between keep-alive comments: proxies close a silent stream."""
_CLOSE_TIMEOUT_S = 2.0
_ROUTE = re.compile(r"/v1/sessions/([^/]+)/(poll|stream)")


class LongPollAndSse:
    """ASGI middleware for `GET /v1/sessions/{id}/poll` and `/stream`. Refuses plain requests to the socket path."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        match = _ROUTE.fullmatch(scope["path"])
        if match is None:
            await self._answer_other(scope, receive, send)
            return
        log_context.bind(route=f"/v1/sessions/<str:session_id>/{match[2]}")
        send = RateLimitedSend(send)
        try:
            if scope["method"] != "GET":
                raise MethodNotAllowed
            session_id = ids.parse_uuid(match[1])
            if session_id is None:
                raise ValidationFailed([("session_id", "Must be a valid UUID.")])
            log_context.bind(session_id=str(session_id))
            handler, allowed = HANDLERS[match[2]]
            query = parameters.query_parameters(scope["query_string"], allowed)
            await handler(session_id, scope, query, receive, send)
        except ApiError as error:
            more = ((b"allow", b"GET"),) if isinstance(error, MethodNotAllowed) else ()
            await error_responses.send_error(send, await limit_unauthenticated(error, scope, send.limiter), *more)

    async def _answer_other(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != SOCKET_PATH:
            await self.inner(scope, receive, send)
            return
        log_context.bind(route=SOCKET_PATH)
        if scope["method"] in {"GET", "HEAD"}:
            await error_responses.send_error(send, UpgradeRequired())
        else:
            await error_responses.send_error(send, MethodNotAllowed(), (b"allow", b"GET"))


# ── long poll ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def poll(session_id: UUID, scope: Scope, query: dict[str, str], receive: Any, send: Any) -> None:
    """Answer with the state as soon as its version differs from `since_version`; with 304 after `wait_ms`."""
    principal = await Credentials(bearer_token(header(scope, b"authorization"))).principal(session_id)
    since = parameters.integer(query, "since_version", 0, _LARGEST_VERSION)
    wait_ms = parameters.integer(query, "wait_ms", 0, LONGEST_WAIT_MS)
    epoch = query.get("epoch")
    await send.limiter.aconsume(limits.general(principal))
    if lifecycle.is_shutting_down():
        raise ServiceUnavailable("This server is restarting: ask again, and another one answers")
    transport = PollTransport()
    subscriber = Subscriber(transport, principal, counts_as_present=False)
    await hub().join(session_id, subscriber)
    try:
        outcome = await read_initial_state(session_id, subscriber)
        state = outcome.state
        await send.limiter.acharge(limits.general(principal), weights.of_state(state))
        if state.version != since or epoch not in {None, state.epoch}:
            body = to_json(present(state, outcome.at_ms))
            await _answer_state(send, entity_tag(state.epoch, state.version), body)
            return
        subscriber.start(None, Position(state.epoch, state.version))
        outcome_of_wait = await _result_or_none(
            transport.result, receive, (LONGEST_WAIT_MS if wait_ms is None else wait_ms) / 1000
        )
    finally:
        await hub().leave(session_id, subscriber)
    match outcome_of_wait:
        case StateFrame(version=int(version), epoch=str(anew), state=Raw() as body):
            await _answer_state(send, entity_tag(anew, version), bytes(body))
        case CloseCode.NORMAL | CloseCode.FORBIDDEN:
            raise SessionNotFound(session_id)
        case CloseCode.CREDENTIALS_EXPIRED | CloseCode.NOT_AUTHENTICATED:
            raise Unauthenticated
        case _:  # time limit, or restart: the client polls again
            await error_responses.send_response(
                send, 304, b"", (b"etag", entity_tag(state.epoch, state.version).encode())
            )


async def _answer_state(send: Any, tag: str, state: bytes) -> None:
    await error_responses.send_response(
        send, 200, b'{"data":' + state + b"}", error_responses.JSON, (b"etag", tag.encode())
    )


async def _result_or_none(result: asyncio.Future[Any], receive: Any, within_s: float) -> Any:
    """Return the result; None after the time limit or when the client has disconnected."""
    left = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({result, left}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return result.result() if result.done() else None
    finally:
        left.cancel()


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# ── Server-Sent Events ────────────────────────────────────────────────────────────────────────────────────────────


async def stream(session_id: UUID, scope: Scope, query: dict[str, str], receive: Any, send: Any) -> None:
    """The frames of a WebSocket as events, from `Last-Event-ID` on."""
    if lifecycle.is_shutting_down():  # before a ticket is spent
        raise ServiceUnavailable("This server is restarting: ask again, and another one answers")
    principal = await credentials_of(scope, query).principal(session_id)
    check_scope(principal, session_id)
    await send.limiter.aconsume(limits.general(principal))
    await send.limiter.aconsume(limits.connect(principal))
    ended = asyncio.Event()

    async def close(code: int, reason: str) -> None:
        data = to_json({"code": int(code), "reason": reason})
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await error_responses.send_chunk(send, b"event: close\ndata: " + data + b"\n\n")
        except TimeoutError:
            log.debug("client does not listen", code=int(code))
        finally:
            ended.set()

    async def show(frame: Frame) -> None:
        await error_responses.send_chunk(send, as_event(frame))

    transport = TaskTransport(show, close, on_broken=ended.set)
    subscriber = Subscriber(transport, principal)
    await hub().join(session_id, subscriber)
    metrics.STREAMS.inc()
    # The header is newer than the parameter when a client opens the same address again.
    last_event_id = header(scope, b"last-event-id")
    if last_event_id is None:
        last_event_id = query.get(LAST_EVENT_ID)
    try:
        shown, first, weight = await _first_frame(session_id, subscriber, last_event_id)
        await send.limiter.acharge(limits.general(principal), weight)
        await error_responses.start_stream(
            send,
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"connection", b"close"),  # nothing can follow on it
        )
        subscriber.start(Frame(first), shown)
        hub().welcome(session_id, subscriber)
        is_over = await _wait_for_end(ended, receive, transport, send)
    finally:
        metrics.STREAMS.dec()
        await hub().leave(session_id, subscriber)
    if is_over:
        await _end_stream(scope, send)


async def _first_frame(
    session_id: UUID, subscriber: Subscriber, last_event_id: str | None
) -> tuple[Position, bytes, int]:
    """Return the position, the first frame (missed events or the whole state) and its weight for the rate limit."""
    try:
        if last_event_id is not None:
            version, epoch = _parse_event_id(last_event_id)
            found = await read_recovery(session_id, subscriber.principal, version, epoch)
            state, now = found.state, found.now
            subscriber.check_access(state)
            since = version if found.recovered else None
            first = messages.state_sync(state, now, recovered=found.recovered, since_version=since, missed=found.missed)
        else:
            outcome = await read_initial_state(session_id, subscriber)
            state, now = outcome.state, outcome.at_ms
            first = messages.connected(session_id, state, now)
    except SessionNotFound:
        if subscriber.access_epoch is None:
            subscriber.hide_session()
        return NOWHERE, messages.connected(session_id, None, store_clock.now_ms()), 0
    return Position(state.epoch, state.version), first, weights.of_state(state)


def _parse_event_id(last_event_id: str) -> tuple[int | None, str | None]:
    """Parse `version:epoch`. A version alone may belong to an older session of the same id."""
    version, _, epoch = last_event_id.partition(":")
    is_version = version.isascii() and version.isdigit() and len(version) <= len(str(_LARGEST_VERSION))
    return (int(version) if is_version else None), epoch or None


def as_event(frame: Frame) -> bytes:
    """Return the frame as a server-sent event; it has an id when it has a state."""
    if frame is _KEEP_ALIVE:
        return b":\n\n"
    shown = state_frame_decoder.decode(frame.payload)
    has_state = isinstance(shown.state, Raw) and bytes(shown.state) != _NO_STATE
    name = f"id: {shown.version}:{shown.epoch}\n".encode() if has_state else b""
    return name + b"data: " + frame.payload + b"\n\n"


async def _wait_for_end(ended: asyncio.Event, receive: Any, transport: TaskTransport, send: Any) -> bool:
    """Wait for the end, with keep-alive comments. Return True when the server ended it, else False."""
    left = background.start(_disconnected(receive), "stream disconnect")
    over = asyncio.ensure_future(ended.wait())
    try:
        while not (left.done() or over.done()):
            await asyncio.wait({left, over}, timeout=_KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if transport.is_open and transport.is_writable and not left.done():
                transport.write(_KEEP_ALIVE)
        return over.done()
    finally:
        left.cancel()
        over.cancel()


_KEEP_ALIVE = Frame(b"")
"""The frame of a keep-alive comment."""


async def _end_stream(scope: Scope, send: Any) -> None:
    """End the response; abort the connection when the client does not read the end."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await error_responses.end_stream(send)
    except (TimeoutError, OSError, RuntimeError):  # it takes nothing, or is gone
        request = server_request_of(scope)
        if request is not None:
            request.abort()


HANDLERS = {
    "poll": (poll, ("since_version", "wait_ms", "epoch")),
    "stream": (stream, (LAST_EVENT_ID, "ticket", "token")),
}
"""Handlers with their parameters, by the last part of the path."""
