"""`/ws?sessionId=…`: one socket shows one session (docs/protocol.md)."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple, replace

from sessions import frames, messages, weights
from sessions.devices import device_of_scope
from sessions.hub.hub import hub
from sessions.hub.position import NOWHERE, Position
from sessions.hub.subscriber import Subscriber
from sessions.realtime import handshake
from sessions.realtime.base import FramesConsumer
from sessions.realtime.credentials import PROTOCOL
from sessions.realtime.initial_state import read_initial_state
from sessions.services import sessions as service
from sessions.services.command_queue import run_in_order
from sessions.services.outcome import Caller, Device, Idempotency, Outcome
from sessions.services.recovery import recover
from sessions.services.state_cache import state_cache
from synckairos import lifecycle
from synckairos.auth.permissions import Action, authorize, check_scope
from synckairos.auth.principal import Principal, authenticate
from synckairos.close_codes import CloseReason
from synckairos.engine import commands
from synckairos.engine.state import State
from synckairos.errors import (
    ApiError,
    Conflict,
    Forbidden,
    RateLimitExceeded,
    SessionNotFound,
    Unauthenticated,
    ValidationFailed,
)
from synckairos.http import client_address, security_log
from synckairos.ratelimit import limits
from synckairos.redis.procedures import run_async
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import log_context, logs, metrics
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)

RECONNECT_TRIES = 20
"""Number of reads for one `RECONNECT`: each newer state that is sent meanwhile makes another one necessary."""
LAG_PING_INTERVAL_S = 2.0
"""The interval of the pings that measure the lag of a client that commands a session."""
LAG_PINGS_FOR_S = 60.0
"""The time after a command or a connection in which such pings come; who is silent is measured by the heartbeat."""
COMMAND_IDS_KEPT_MS = 600_000
"""A socket repeats a command after a reconnect, not after a day."""


class SessionConsumer(FramesConsumer):
    """Sends the session on every change, and executes commands for it."""

    session_id: UUID | None = None
    subscriber: Subscriber
    _token: str | None = None
    """The token of the handshake or of the last `AUTH`; None after a ticket."""
    _device: Device
    _barred_until_s = 0.0
    """Instant on the monotonic clock until which the rate limit refuses frames."""

    async def connect(self) -> None:
        requested = handshake.read(self.scope)
        if isinstance(requested, CloseReason):
            await self.refuse(*requested.value)
            return
        log_context.bind(session_id=str(requested.session_id))
        if lifecycle.is_shutting_down():  # before a ticket is spent
            await self.refuse(*CloseReason.SERVER_RESTARTING.format(n=0))
            return
        principal = await self._authenticated(requested)
        await limits.RateLimiter().aconsume(limits.connect(principal))
        self._token = requested.credentials.token
        self._device = device_of_scope(self.scope)
        self.transport.set_ping_interval(requested.heartbeat_s)
        await self.accept(PROTOCOL if PROTOCOL in self.scope.get("subprotocols", ()) else None)
        await self._start(requested.session_id, principal)

    async def _authenticated(self, requested: handshake.Handshake) -> Principal:
        """Return the principal of the handshake. Failed attempts count for the limit of the address."""
        with suppress(Unauthenticated):
            principal = await requested.credentials.principal(requested.session_id)
            check_scope(principal, requested.session_id)
            return principal
        await limits.RateLimiter().aconsume(limits.unauthenticated(client_address.of_scope(self.scope)))
        raise Unauthenticated

    async def _start(self, session_id: UUID, principal: Principal) -> None:
        """Join the hub, then read the state: frames in between wait in the subscriber."""
        self.subscriber = Subscriber(self.transport, principal)
        self.session_id = session_id
        metrics.SOCKETS_OPENED.inc()
        metrics.SOCKETS.inc()
        await hub().join(session_id, self.subscriber)
        try:
            outcome = await read_initial_state(session_id, self.subscriber)
            state, now = outcome.state, outcome.at_ms
            shown = Position(state.epoch, state.version)
            first = messages.connected(session_id, state, now)
        except SessionNotFound:
            if self.subscriber.access_epoch is None:  # else it has been made meanwhile, and the client told of it
                self.subscriber.hide_session()
            shown = NOWHERE
            first = messages.connected(session_id, None, store_clock.now_ms())
        self.subscriber.start(Frame(first), shown)
        hub().welcome(session_id, self.subscriber)
        log.info("socket opened")
        if shown is not NOWHERE:
            self._measure_lag(state)
            await limits.RateLimiter().acharge(limits.general(principal), weights.of_state(state))

    async def disconnect(self) -> None:
        if self.session_id is None:
            return
        metrics.SOCKETS.dec()
        await hub().leave(self.session_id, self.subscriber)
        log.info("socket closed")

    def answer(self, payload: bytes) -> None:
        self.subscriber.enqueue(Frame(payload))

    async def frame(self, text: str) -> None:
        if self.subscriber.is_closing:
            return  # whoever sent it will ask again where it comes back
        self.subscriber.is_busy = True
        try:
            await self._handle(text)
        finally:
            self.subscriber.is_busy = False
            self.subscriber.flush()

    async def _handle(self, text: str) -> None:
        received_ms = store_clock.now_ms()
        try:
            message = messages.read_client_frame(text)
        except ValidationFailed as error:
            self.answer(messages.error(error, messages.command_id_of(text)))
            return
        metrics.SOCKET_FRAMES_IN.labels(type(message).__struct_config__.tag).inc()
        match message:
            case frames.Ping():
                self.answer(messages.pong(received_ms, store_clock.now_ms(), message.timestamp))
            case frames.Reconnect():
                await self._reconnect(message)
            case frames.Auth():
                await self._renew(message)
            case _:
                await self._command(message)

    async def _renew(self, message: frames.Auth) -> None:
        """Fresh credentials of the same person, who may be staff now, or no longer.

        They count as a request, before they are looked at. Those that the socket has already change nothing, and cost
        nothing.
        """
        subscriber = self.subscriber
        try:
            if message.token == self._token:
                self._renewed(message, authenticate(message.token))
                return
            limiter, general = await self._consume_request()
            principal = authenticate(message.token)
            if not subscriber.principal.is_same_access(principal):
                raise Forbidden
            state = await self._readable_by(principal)
        except ApiError as error:
            security_log.log_frame_error(self.scope, error)
            self.answer(messages.error(error, message.id))
            return
        self._token = message.token
        subscriber.principal, subscriber.is_notified_of_expiry = principal, False
        if state is None:
            subscriber.hide_session()
        else:
            subscriber.check_access(state)
            await limiter.acharge(general, weights.of_state(state))
        self._renewed(message, principal)

    def _renewed(self, message: frames.Auth, principal: Principal) -> None:
        expires_ms = int(principal.expires_s * 1000)
        self.answer(messages.authenticated(message.id, self.subscriber.position.version, expires_ms))

    async def _readable_by(self, principal: Principal) -> State | None:
        """Return the state, or None when the principal may not read it. Raises Unauthenticated for an invalid token."""
        try:
            return (await run_async(service.get(self._session_id(), principal))).state
        except SessionNotFound:
            return None

    async def _reconnect(self, message: frames.Reconnect) -> None:
        """Send the current state. Counts as one request, or as several for a large session."""
        limiter, general = await self._consume_request()
        for _ in range(RECONNECT_TRIES):
            read_from = self.subscriber.position
            recovering = recover(self._session_id(), self.subscriber.principal, message.last_version, message.epoch)
            recovery = await run_async(recovering)
            state = recovery.state
            self.subscriber.check_access(state)
            frame = messages.state_sync(
                state,
                recovery.now,
                recovered=recovery.recovered,
                since_version=message.last_version if recovery.recovered else None,
                missed=recovery.missed,
            )
            self._measure_lag(state)
            if self.subscriber.enqueue_sync(Position(state.epoch, state.version), Frame(frame), read_from):
                await limiter.acharge(general, weights.of_state(state))
                return
        raise Conflict

    async def _consume_request(self) -> tuple[limits.RateLimiter, limits.Bucket]:
        """Count a frame that costs work, before the work. Raises RateLimitExceeded: until the time that this tells is
        over, the store need not be requested again."""
        limiter, general = limits.RateLimiter(), limits.general(self.subscriber.principal)
        wait_s = self._barred_until_s - time.monotonic()
        if wait_s > 0 and general is not None:
            metrics.RATE_LIMITED.labels(general[0].scope).inc()
            raise RateLimitExceeded(math.ceil(wait_s))
        try:
            await run_async(limiter.consume_procedure(general))
        except RateLimitExceeded as exceeded:
            self._barred_until_s = time.monotonic() + (exceeded.retry_after_seconds or 0)
            raise
        return limiter, general

    async def _command(self, message: Any) -> None:
        try:
            row = frames.COMMAND_BY_FRAME[type(message)]
            command = row.command(astuple(message)[1:])
            measured_ms = self.transport.round_trip_ms
            if measured_ms is not None and isinstance(command, commands.Switch):
                command = replace(command, measured_ms=measured_ms)
            outcome = await self._execute(command, self._caller(message))
        except ApiError as error:
            security_log.log_frame_error(self.scope, error)
            self.answer(messages.error(error, message.id))
            return
        self._measure_lag(outcome.state)
        view = outcome.switched if row.kind is commands.Switch else outcome.shown
        self.answer(messages.ack(message.id, outcome.state.version, view))

    async def _execute(self, command: commands.Command, caller: Caller) -> Outcome:
        session_id = self._session_id()
        if self.subscriber.principal.has_expired:
            raise Unauthenticated  # it may look on for a while, and bring fresh credentials
        limiter = limits.RateLimiter()
        procedure = service.execute(session_id, command, caller, limiter=limiter, cache=state_cache())
        return await run_in_order(session_id, procedure)

    def _measure_lag(self, state: State) -> None:
        """Measure round trips, if the session compensates lag and the client may switch: viewers are not measured."""
        if state.config.compensates_lag:
            with suppress(ApiError):
                authorize(self.subscriber.principal, Action.SWITCH, state)
                self.transport.measure_round_trips(LAG_PING_INTERVAL_S, LAG_PINGS_FOR_S)

    def _caller(self, message: Any) -> Caller:
        request_id = log_context.current().get("request_id", "")
        device = self._device
        if message.id is None:
            return Caller(self.subscriber.principal, request_id, device=device)
        fingerprint = blake2b(msgspec.json.encode(message), digest_size=16).digest()
        route = f"socket {type(message).__name__}"
        key = Idempotency(str(message.id), route, fingerprint, COMMAND_IDS_KEPT_MS)
        return Caller(self.subscriber.principal, request_id, key, device)

    def _session_id(self) -> UUID:
        if self.session_id is None:
            raise Unauthenticated
        return self.session_id


class UnknownPath(FramesConsumer):
    """Refuses every other WebSocket address."""

    async def connect(self) -> None:
        await self.refuse(*CloseReason.UNKNOWN_PATH.value)

    async def frame(self, text: str) -> None:
        """Ignore the frame: the connection is refused."""
