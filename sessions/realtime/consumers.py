"""`/ws?sessionId=…`: one socket shows one session (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from sessions import limits, messages
from sessions.presentation import present, present_switch
from sessions.realtime.base import FramesConsumer
from sessions.realtime.credentials import PROTOCOL, token_of
from sessions.realtime.hub import hub
from sessions.realtime.outlet import NOWHERE, Outlet, Position
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.store.calls import arun
from synckairos import context, ids, logs, metrics
from synckairos.close_codes import CloseCode
from synckairos.engine import commands
from synckairos.errors import ApiError, Conflict, SessionNotFound, Unauthenticated, ValidationFailed
from synckairos.principal import Principal, authenticate
from timesync.clock import store_clock

log = logs.get(__name__)

RECONNECT_TRIES = 20
"""How often a newer state may pass by while the answer is being read."""
COMMAND_IDS_KEPT_MS = 600_000
"""A socket repeats a command after a reconnect, not after a day."""


class SessionConsumer(FramesConsumer):
    """Shows the session on every change, and takes commands for it."""

    session_id: UUID | None = None
    principal: Principal
    outlet: Outlet
    writer: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        given = next(iter(query.get("sessionId", ())), None)
        if given is None:
            await self.refuse(CloseCode.BAD_REQUEST, "Missing sessionId parameter")
            return
        session_id = ids.parse_uuid(given)
        if session_id is None:
            await self.refuse(CloseCode.BAD_REQUEST, "Invalid sessionId format")
            return
        token = token_of(self.scope, query)
        if token is None:
            raise Unauthenticated
        self.principal = authenticate(token)
        context.note(session_id=str(session_id), principal=self.principal.subject)
        await self.accept(PROTOCOL if PROTOCOL in self.scope.get("subprotocols", ()) else None)
        await self._show(session_id)

    async def _show(self, session_id: UUID) -> None:
        """Join first, read after: what happens in between waits in the outlet."""
        self.outlet = Outlet(self.send_text, self.close)
        self.session_id = session_id
        metrics.SOCKETS_OPENED.inc()
        metrics.SOCKETS.inc()
        await hub().join(session_id, self.outlet)
        try:
            outcome = await arun(service.get(session_id))
            state, now = outcome.state, outcome.at_ms
            shown = Position(state.epoch, state.version)
            first = messages.connected(session_id, state, now)
        except SessionNotFound:
            shown = NOWHERE
            first = messages.connected(session_id, None, store_clock.now_ms())
        self.outlet.release(first.decode(), shown)
        self.writer = asyncio.create_task(self.outlet.run(), name=f"socket {session_id}")
        self.writer.add_done_callback(_report)
        log.info("socket opened")

    async def disconnect(self) -> None:
        if self.session_id is None:
            return
        metrics.SOCKETS.dec()
        if self.writer is not None:
            self.writer.cancel()
        await hub().leave(self.session_id, self.outlet)
        log.info("socket closed")

    async def answer(self, text: str) -> None:
        if self.writer is None:
            await self.send_text(text)
        else:
            self.outlet.put(text)

    async def frame(self, text: str) -> None:
        received_ms = store_clock.now_ms()
        if self.principal.has_expired:
            self.outlet.finish(CloseCode.CREDENTIALS_EXPIRED, "Credentials expired")
            return
        try:
            message = _parse(text)
        except ValidationFailed as error:
            await self.answer(messages.error(error, messages.command_id_of(text)).decode())
            return
        metrics.SOCKET_FRAMES_IN.labels(type(message).__struct_config__.tag).inc()
        match message:
            case messages.Ping():
                pong = messages.pong(received_ms, store_clock.now_ms(), message.timestamp)
                await self.answer(pong.decode())
            case messages.Reconnect():
                await self._reconnect(message)
            case _:
                await self._command(message)

    async def _reconnect(self, message: messages.Reconnect) -> None:
        for _ in range(RECONNECT_TRIES):
            recovery = await arun(service.recover(self._shown(), message.last_version, message.epoch))
            state = recovery.state
            frame = messages.state_sync(
                state,
                recovery.now,
                recovered=recovery.recovered,
                since_version=message.last_version if recovery.recovered else None,
                missed=recovery.missed,
            )
            if self.outlet.put_sync(Position(state.epoch, state.version), frame.decode()):
                return
        raise Conflict

    async def _command(self, message: messages.ClientCommand) -> None:
        try:
            outcome = await self._execute(message)
        except ApiError as error:
            await self.answer(messages.error(error, message.id).decode())
            return
        if isinstance(message, messages.Switch):
            view: Any = present_switch(
                outcome.state, outcome.at_ms, outcome.expired_participant_id, outcome.action_applied
            )
        else:
            view = present(outcome.state, outcome.at_ms)
        await self.answer(messages.ack(message.id, outcome.state.version, view).decode())

    async def _execute(self, message: messages.ClientCommand) -> Outcome:
        session_id = self._shown()
        await arun(limits.check_general(self.principal.subject))
        caller = self._caller(message)
        if isinstance(message, messages.Switch):
            await arun(limits.check_switch(session_id))
            switch = commands.Switch(
                message.next_participant_id, message.current_participant_id, message.expected_version
            )
            return await arun(service.switch(session_id, switch, caller))
        command = _COMMANDS[type(message)](message.expected_version)
        return await arun(service.execute(session_id, command, caller))

    def _caller(self, message: messages.ClientCommand) -> Caller:
        request_id = context.current().get("request_id", "")
        if message.id is None:
            return Caller(self.principal.subject, request_id)
        fingerprint = blake2b(msgspec.json.encode(message), digest_size=16).digest()
        route = f"socket {type(message).__name__}"
        key = Idempotency(str(message.id), route, fingerprint, COMMAND_IDS_KEPT_MS)
        return Caller(self.principal.subject, request_id, key)

    def _shown(self) -> UUID:
        if self.session_id is None:
            raise Unauthenticated
        return self.session_id


_COMMANDS: dict[
    type[messages.ClientCommand],
    type[commands.Start | commands.Pause | commands.Resume | commands.Complete | commands.Cancel],
] = {
    messages.Start: commands.Start,
    messages.Pause: commands.Pause,
    messages.Resume: commands.Resume,
    messages.Complete: commands.Complete,
    messages.Cancel: commands.Cancel,
}


def _parse(text: str) -> messages.ClientMessage:
    try:
        return messages.parse(text)
    except msgspec.ValidationError as error:
        raise ValidationFailed([("frame", str(error))]) from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise ValidationFailed([("frame", "Malformed JSON.")]) from None


def _report(writer: asyncio.Task[None]) -> None:
    """A writer ends with its socket; anything but the socket's end is ours to know."""
    if writer.cancelled():
        return
    error = writer.exception()
    if isinstance(error, OSError):
        log.debug("socket gone", error=type(error).__name__)
    elif error is not None:
        metrics.SOCKET_FAULTS.inc()
        log.error("socket writer failed", exc_info=error)


class UnknownPath(FramesConsumer):
    """Any other WebSocket address."""

    async def connect(self) -> None:
        await self.refuse(CloseCode.BAD_REQUEST, "Unknown path")

    async def frame(self, text: str) -> None:
        """Nothing comes after the refusal."""
