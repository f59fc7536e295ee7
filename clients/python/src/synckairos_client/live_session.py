"""The protocol on a connection: handles frames, measures the clock, renews credentials and sends commands."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from synckairos_client.clock_sync import ClockOffset, DeviceClock
from synckairos_client.errors import ApiError, CommandTimeout
from synckairos_client.frames import Frame, decode, encode
from synckairos_client.pending_commands import PendingCommand, PendingCommands
from synckairos_client.tokens import TRANSIENT_ERRORS, TokenSource
from synckairos_client.tracking import Change, Tracker
from synckairos_client.updates import Update

log = logging.getLogger("synckairos_client")

BURST_SIZE = 5
_BURST_PAUSE_S = 0.05
PING_INTERVAL_S = 10.0
_GAP_PING_INTERVAL_S = 1.0
_DEAD_AFTER_S = 10.0
"""Time without an answer to a PING after which the connection counts as dead, whatever TCP reports."""
_RETRY_S = 1.0
_MAX_PAUSE_S = 10.0
_AUTH_TIMEOUT_S = 10.0


class LiveSession:
    """The frames of one session, across connections."""

    def __init__(
        self, calls: PendingCommands, tokens: TokenSource, device_ms: DeviceClock, offer: Callable[[Update], None]
    ) -> None:
        self.tracker = Tracker()
        self.offset = ClockOffset()
        self.presence: tuple[str, ...] = ()
        self.was_connected = asyncio.Event()
        """Set after the first frame, or when the screen has ended."""
        self._pending = calls
        self._tokens = tokens
        self._device_ms = device_ms
        self._offer = offer
        self._socket: ClientConnection | None = None
        self._pong_received = asyncio.Event()
        self._renewal_requested = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Return true while frames arrive."""
        return self._socket is not None

    def server_now_ms(self) -> float:
        """Return the server's clock, in milliseconds since the Unix epoch."""
        return self._device_ms() + self.offset.offset_ms

    def server_now_s(self) -> float:
        """Return the server's clock in seconds, the unit of tokens."""
        return self.server_now_ms() / 1000

    async def serve(self, socket: ClientConnection) -> bool:
        """Use a connection until it ends, and return true if the session has ended."""
        try:
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with the frame.
            async with asyncio.timeout(_DEAD_AFTER_S):
                first = decode(await socket.recv())
        except (ConnectionClosed, TimeoutError):
            return False
        if first.get("type") != "CONNECTED":
            return False
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(coroutine)
                    for coroutine in (self._measure_offset(socket), self._renew_credentials())
                ]
                try:
                    return await self._connected(socket, first) or await self._read_frames(socket)
                finally:
                    for task in tasks:
                        task.cancel()
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        finally:
            self._socket = None
            self._publish()

    async def call(self, frame: Frame, timeout_s: float, *, is_repeatable: bool = True) -> dict[str, Any]:
        """Return the data of the answer to a command. Raises ApiError, CommandTimeout, and the error that ends the
        screen."""
        call = self._pending.add(frame, is_repeatable=is_repeatable)
        error: ApiError | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if not call.answer.done() and call.sent_on is not self._socket:
                        await self._send_call(call)
                    answer = await call.answer
                    if answer["type"] == "ACK":
                        data: dict[str, Any] = answer["data"]
                        return data
                    error = ApiError.of(answer)
                    if not self._is_transient(error):
                        raise error
                    call.reset()
                    await asyncio.sleep(error.retry_after_s or _RETRY_S)
        except TimeoutError:
            raise CommandTimeout(f"no answer to {frame['type']} within {timeout_s:g} s", call.id) from error
        finally:
            self._pending.remove(call)

    def _is_transient(self, error: ApiError) -> bool:
        if error.code == "UNAUTHENTICATED" and self._tokens.can_renew:
            self._renewal_requested.set()
            return True
        return error.code == "SERVICE_UNAVAILABLE"

    async def _connected(self, socket: ClientConnection, frame: Frame) -> bool:
        change = self.tracker.connected(frame)
        if change.is_deleted:
            return True  # deleted while there was no connection
        self.offset.set_estimate(frame["timestamp"], self._device_ms())
        self._socket, self.presence = socket, ()
        self._renewal_requested.clear()
        self.was_connected.set()
        self._publish(change)
        for unanswered in self._pending.unanswered():
            await self._send_call(unanswered)
        await self._request_missing()
        return False

    async def _read_frames(self, socket: ClientConnection) -> bool:
        with suppress(ConnectionClosed):
            async for text in socket:
                if self._handle(decode(text)):
                    return True
                await self._request_missing()
        return False

    def _handle(self, frame: Frame) -> bool:
        """Handle one frame, and return true if the session has ended. Unknown types are ignored."""
        match frame.get("type"):
            case "STATE_UPDATE":
                self._publish_change(self.tracker.updated(frame))
            case "STATE_SYNC":
                self._publish_change(self.tracker.synced(frame))
            case "PRESENCE":
                self.presence = tuple(frame["connected"])
                self._publish()
            case "PONG":
                sent_ms = frame["client_timestamp"]
                self.offset.add(sent_ms, frame["server_received_ms"], frame["server_sent_ms"], self._device_ms())
                self._pong_received.set()
            case "ACK" | "ERROR" if frame.get("id") is not None:
                self._pending.resolve(frame)
            case "ERROR":
                log.debug("error frame from the server: %s", frame.get("code"))
                if frame.get("code") == "CREDENTIALS_EXPIRED":
                    self._renewal_requested.set()
            case "SESSION_DELETED":
                return True
        return False

    def _publish_change(self, change: Change) -> None:
        if change.has_new_state or change.events or change.resynced:
            self._publish(change)

    def _publish(self, change: Change | None = None) -> None:
        change = change or Change()
        self._offer(
            Update(
                state=self.tracker.state,
                presence=self.presence,
                is_connected=self.is_connected,
                events=change.events,
                is_new_session=change.is_new_session,
                resynced=change.resynced,
            )
        )

    async def _request_missing(self) -> None:
        reconnect_frame = self.tracker.reconnect_frame(self._device_ms())
        if reconnect_frame is not None:
            await self._send(reconnect_frame)

    async def _send_call(self, call: PendingCommand) -> None:
        """Send a command, once on each connection, since the server answers every frame."""
        call.sent_on = self._socket
        await self._send(call.frame)

    async def _send(self, frame: Frame) -> None:
        """Send a frame if there is a connection; commands are sent again on the next one."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(encode(frame))

    async def _measure_offset(self, socket: ClientConnection) -> None:
        """Measure the offset, several times at first and then periodically, and close a dead connection."""
        pings = 0
        while True:
            self._pong_received.clear()
            try:
                async with asyncio.timeout(_DEAD_AFTER_S):
                    await socket.send(encode({"type": "PING", "timestamp": self._device_ms()}))
                    await self._pong_received.wait()
            except ConnectionClosed:
                return
            except TimeoutError:
                await socket.close()
                return
            pings += 1
            await self._request_missing()
            await asyncio.sleep(self._ping_pause_s(pings))

    def _ping_pause_s(self, pings: int) -> float:
        if pings < BURST_SIZE:
            return _BURST_PAUSE_S
        if self.tracker.delivered < self.tracker.version:
            return _GAP_PING_INTERVAL_S
        return PING_INTERVAL_S * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, keeps no secret

    async def _renew_credentials(self) -> None:
        """Renew the credentials before they expire, or when the server reports that they have."""
        pause_s = 0.0
        while self._tokens.can_renew:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s or self._tokens.renewal_in_s(self.server_now_s())):
                    await self._renewal_requested.wait()
            self._renewal_requested.clear()
            try:
                token = await self._tokens.renew(self.server_now_s())
                await self.call({"type": "AUTH", "token": token}, _AUTH_TIMEOUT_S, is_repeatable=False)
                # A provider that still gives the old token must not be called in a tight loop.
                is_due = self._tokens.renewal_in_s(self.server_now_s()) == 0
                pause_s = min(max(2 * pause_s, _RETRY_S), _MAX_PAUSE_S) if is_due else 0.0
            except (ApiError, *TRANSIENT_ERRORS) as error:
                log.warning("credentials not renewed: %s", type(error).__name__)
                await asyncio.sleep(_RETRY_S)
