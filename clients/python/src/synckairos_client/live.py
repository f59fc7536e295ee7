"""What happens on a connection: frames are taken, time is measured, credentials are renewed, commands are sent."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from synckairos_client.calls import Call, Calls
from synckairos_client.errors import ApiError, CommandTimeout
from synckairos_client.frames import Frame, decode, encode
from synckairos_client.timing import DeviceClock, Offset
from synckairos_client.tokens import TROUBLE, Tokens
from synckairos_client.tracking import Change, Tracker
from synckairos_client.update import Update

log = logging.getLogger("synckairos_client")

BURST = 5
_BURST_PAUSE_S = 0.05
PING_EVERY_S = 10.0
_ASKING_EVERY_S = 1.0
_SILENT_AFTER_S = 10.0
"""A PING without an answer for so long: the connection is dead, whatever TCP says."""
_RETRY_S = 1.0
_LONGEST_PAUSE_S = 10.0
_AUTH_WITHIN_S = 10.0


class Live:
    """One session's frames, over one connection after the other."""

    def __init__(self, calls: Calls, tokens: Tokens, device_ms: DeviceClock, offer: Callable[[Update], None]) -> None:
        self.tracker = Tracker()
        self.offset = Offset()
        self.presence: tuple[str, ...] = ()
        self.was_connected = asyncio.Event()
        """There has been a first frame."""
        self._calls = calls
        self._tokens = tokens
        self._device_ms = device_ms
        self._offer = offer
        self._socket: ClientConnection | None = None
        self._ponged = asyncio.Event()
        self._expiry_told = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether frames arrive."""
        return self._socket is not None

    def server_now_ms(self) -> float:
        """The server's clock."""
        return self._device_ms() + self.offset.offset_ms

    def server_now_s(self) -> float:
        """The same in seconds, as tokens have it."""
        return self.server_now_ms() / 1000

    async def serve(self, socket: ClientConnection) -> bool:
        """Use a connection until it ends; tells whether the session is over."""
        try:
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with the frame.
            async with asyncio.timeout(_SILENT_AFTER_S):
                first = decode(await socket.recv())
        except (ConnectionClosed, TimeoutError):
            return False
        if first.get("type") != "CONNECTED":
            return False
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(work) for work in (self._keep_time(socket), self._keep_credentials())]
                try:
                    return await self._connected(socket, first) or await self._read(socket)
                finally:
                    for keeper in keepers:
                        keeper.cancel()
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        finally:
            self._socket = None
            self._show()

    async def call(self, frame: Frame, timeout_s: float, *, is_repeatable: bool = True) -> dict[str, Any]:
        """The data of a command's answer. Raises ApiError, CommandTimeout, and what ends the screen meanwhile."""
        call = self._calls.add(frame, is_repeatable=is_repeatable)
        trouble: ApiError | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if not call.answer.done() and call.sent_on is not self._socket:
                        await self._send_call(call)
                    answer = await call.answer
                    if answer["type"] == "ACK":
                        data: dict[str, Any] = answer["data"]
                        return data
                    trouble = ApiError.of(answer)
                    if not self._may_pass(trouble):
                        raise trouble
                    call.expect_again()
                    await asyncio.sleep(trouble.retry_after_s or _RETRY_S)
        except TimeoutError:
            raise CommandTimeout(f"no answer to {frame['type']} within {timeout_s:g} s", call.id) from trouble
        finally:
            self._calls.remove(call)

    def _may_pass(self, trouble: ApiError) -> bool:
        if trouble.code == "UNAUTHENTICATED" and self._tokens.can_renew:
            self._expiry_told.set()
            return True
        return trouble.code == "SERVICE_UNAVAILABLE"

    async def _connected(self, socket: ClientConnection, frame: Frame) -> bool:
        change = self.tracker.connected(frame)
        if change.is_gone:
            return True  # deleted while we were away
        self.offset.guess(frame["timestamp"], self._device_ms())
        self._socket, self.presence = socket, ()
        self._expiry_told.clear()
        self.was_connected.set()
        self._show(change)
        for unanswered in self._calls.to_repeat():
            await self._send_call(unanswered)
        await self._ask()
        return False

    async def _read(self, socket: ClientConnection) -> bool:
        with suppress(ConnectionClosed):
            async for text in socket:
                if self._take(decode(text)):
                    return True
                await self._ask()
        return False

    def _take(self, frame: Frame) -> bool:
        """One frame; tells whether the session is over. Types nobody knows here are not an error."""
        match frame.get("type"):
            case "STATE_UPDATE":
                self._tell(self.tracker.updated(frame))
            case "STATE_SYNC":
                self._tell(self.tracker.synced(frame))
            case "PRESENCE":
                self.presence = tuple(frame["connected"])
                self._show()
            case "PONG":
                sent_ms = frame["client_timestamp"]
                self.offset.add(sent_ms, frame["server_received_ms"], frame["server_sent_ms"], self._device_ms())
                self._ponged.set()
            case "ACK" | "ERROR" if frame.get("id") is not None:
                self._calls.answered(frame)
            case "ERROR":
                log.debug("the server says %s", frame.get("code"))
                if frame.get("code") == "CREDENTIALS_EXPIRED":
                    self._expiry_told.set()
            case "SESSION_DELETED":
                return True
        return False

    def _tell(self, change: Change) -> None:
        if change.is_news or change.events or change.resynced:
            self._show(change)

    def _show(self, change: Change | None = None) -> None:
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

    async def _ask(self) -> None:
        question = self.tracker.question(self._device_ms())
        if question is not None:
            await self._send(question)

    async def _send_call(self, call: Call) -> None:
        """Once on each connection: the server answers every frame, and a second one might be applied after all."""
        call.sent_on = self._socket
        await self._send(call.frame)

    async def _send(self, frame: Frame) -> None:
        """Without a connection nothing happens: commands are sent again on the next one."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(encode(frame))

    async def _keep_time(self, socket: ClientConnection) -> None:
        """Measure the offset, a few times at once and then now and then; notice a dead connection."""
        pings = 0
        while True:
            self._ponged.clear()
            try:
                async with asyncio.timeout(_SILENT_AFTER_S):
                    await socket.send(encode({"type": "PING", "timestamp": self._device_ms()}))
                    await self._ponged.wait()
            except ConnectionClosed:
                return
            except TimeoutError:
                await socket.close()
                return
            pings += 1
            await self._ask()
            await asyncio.sleep(self._ping_pause_s(pings))

    def _ping_pause_s(self, pings: int) -> float:
        if pings < BURST:
            return _BURST_PAUSE_S
        if self.tracker.told < self.tracker.version:
            return _ASKING_EVERY_S
        return PING_EVERY_S * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, keeps no secret

    async def _keep_credentials(self) -> None:
        """Bring fresh credentials before the old ones end, or when the server says that they have."""
        pause_s = 0.0
        while self._tokens.can_renew:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s or self._tokens.renewal_in_s(self.server_now_s())):
                    await self._expiry_told.wait()
            self._expiry_told.clear()
            try:
                token = await self._tokens.fresh(self.server_now_s())
                await self.call({"type": "AUTH", "token": token}, _AUTH_WITHIN_S, is_repeatable=False)
                # A provider that still gives the old token must not be asked again and again.
                is_due = self._tokens.renewal_in_s(self.server_now_s()) == 0
                pause_s = min(max(2 * pause_s, _RETRY_S), _LONGEST_PAUSE_S) if is_due else 0.0
            except (ApiError, *TROUBLE) as trouble:
                log.warning("credentials not renewed: %s", type(trouble).__name__)
                await asyncio.sleep(_RETRY_S)
