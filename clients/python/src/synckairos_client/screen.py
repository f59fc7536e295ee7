"""One live session on one screen: what it shows, and what it can be told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID
from weakref import WeakSet

from synckairos_client import reading
from synckairos_client.calls import Calls
from synckairos_client.errors import Ended, Unreachable
from synckairos_client.feed import Updates
from synckairos_client.frames import State
from synckairos_client.line import Address, Credentials, Line
from synckairos_client.live import Live
from synckairos_client.retries import Backoff
from synckairos_client.timing import DeviceClock, device_clock
from synckairos_client.tokens import TokenProvider, Tokens
from synckairos_client.update import Update


class Screen:
    """A session, shown live: `async with connect(url, session_id, token) as screen`.

    `url` is the server's base address (http, https, ws or wss). `token` is a bearer token, or an async function that
    gives one. Entering waits for the first frame, at most `open_timeout_s`: raises Refused, or Unreachable. From then
    on lost connections come back by themselves.
    """

    def __init__(
        self,
        url: str,
        session_id: str | UUID,
        token: str | TokenProvider,
        *,
        credentials: Credentials = "header",
        heartbeat_s: float | None = None,
        open_timeout_s: float = 10.0,
        command_timeout_s: float = 10.0,
        max_waiting_events: int = 1_000,
        device_ms: DeviceClock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.session_id = str(session_id)
        self.is_deleted = False
        """The session exists no more: there will be no updates, and commands raise Ended."""
        self._open_timeout_s = open_timeout_s
        self._command_timeout_s = command_timeout_s
        self._max_waiting_events = max_waiting_events
        self._feeds: WeakSet[Updates] = WeakSet()
        self._calls = Calls()
        self._tokens = Tokens(token)
        self._live = Live(self._calls, self._tokens, device_ms or device_clock(), self._offer)
        address = Address.of(url, session_id, heartbeat_s, credentials)
        self._line = Line(address, self._tokens, Backoff(rng=rng), self._live.server_now_s)
        self._running: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    # What it shows.

    @property
    def state(self) -> State | None:
        """The newest state; None while the session does not exist."""
        return self._live.tracker.state

    @property
    def version(self) -> int:
        """Of that state; 0 while there is none. Never goes back on one connection, within one epoch."""
        return self._live.tracker.version

    @property
    def epoch(self) -> str | None:
        """Tells two sessions apart that had the same id one after the other."""
        return self._live.tracker.epoch

    @property
    def presence(self) -> tuple[str, ...]:
        """Ids of the participants that have a client connected, as last told."""
        return self._live.presence

    @property
    def is_connected(self) -> bool:
        """Whether changes arrive. While they do not, the clock counts on by itself."""
        return self._live.is_connected

    def updates(self) -> Updates:
        """All changes from now on, beginning with how things are. Each call makes an iterator of its own."""
        feed = Updates(self._update(), self._max_waiting_events)
        if self._running is None or self._running.done():
            feed.end(self._failure)
        self._feeds.add(feed)
        return feed

    # Its clock.

    @property
    def offset_ms(self) -> float:
        """Server clock minus device clock."""
        return self._live.offset.offset_ms

    @property
    def error_ms(self) -> float:
        """How far off that may be; infinite until it has been measured."""
        return self._live.offset.error_ms

    def server_now_ms(self) -> float:
        """What the server's clock shows, milliseconds since the Unix epoch."""
        return self._live.server_now_ms()

    def remaining_ms(self, participant_id: str | UUID | None = None) -> float | None:
        """Time left right now, of a participant or of the running clock; see `reading.remaining_ms`."""
        participant = None if participant_id is None else str(participant_id)
        return self._read(lambda state, now_ms: reading.remaining_ms(state, now_ms, participant))

    def overtime_ms(self) -> float | None:
        """By how much the running cycle has overrun right now; None without a session."""
        return self._read(reading.overtime_ms)

    def elapsed_ms(self) -> float | None:
        """How long the session has run right now; None without a session."""
        return self._read(reading.elapsed_ms)

    # What it can be told. All give the answer's data, and raise ApiError, CommandTimeout, Refused or Ended.

    async def start(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Start the session; gives its state."""
        return await self._command("START", timeout_s, expected_version=expected_version)

    async def pause(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Pause it; gives its state."""
        return await self._command("PAUSE", timeout_s, expected_version=expected_version)

    async def resume(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """Go on; gives its state."""
        return await self._command("RESUME", timeout_s, expected_version=expected_version)

    async def complete(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """End it as completed; gives its state."""
        return await self._command("COMPLETE", timeout_s, expected_version=expected_version)

    async def cancel(self, *, expected_version: int | None = None, timeout_s: float | None = None) -> State:
        """End it as cancelled; gives its state."""
        return await self._command("CANCEL", timeout_s, expected_version=expected_version)

    async def switch(
        self,
        *,
        next_participant_id: str | UUID | None = None,
        current_participant_id: str | UUID | None = None,
        expected_version: int | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """The next one's turn; gives a SwitchResult. `current_participant_id` makes a second press harmless."""
        return await self._command(
            "SWITCH",
            timeout_s,
            next_participant_id=None if next_participant_id is None else str(next_participant_id),
            current_participant_id=None if current_participant_id is None else str(current_participant_id),
            expected_version=expected_version,
        )

    # How it lives.

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name=f"screen {self.session_id}")
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._live.was_connected.wait()
        except BaseException as late:
            await self._stop()
            if isinstance(late, TimeoutError):
                raise Unreachable(f"no first frame within {self._open_timeout_s:g} s") from self._line.trouble
            raise
        if self._failure is not None:
            raise self._failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._line.run(self._live.serve)
            self.is_deleted = True
            self._end = Ended("the session was deleted")
        except Exception as failure:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._end = failure
        finally:
            self._end = self._end or Ended("the screen was closed")
            self._calls.fail(self._end)
            self._live.was_connected.set()
            for feed in self._feeds:
                feed.end(self._failure)

    @property
    def _failure(self) -> Exception | None:
        """What has ended the screen, if that is not as it should be."""
        return None if isinstance(self._end, Ended) else self._end

    def _update(self) -> Update:
        return Update(self.state, self.presence, self.is_connected)

    def _offer(self, update: Update) -> None:
        for feed in self._feeds:
            feed.offer(update)

    def _read(self, read: Callable[[State, float], float | None]) -> float | None:
        return None if self.state is None else read(self.state, self.server_now_ms())

    async def _command(self, kind: str, timeout_s: float | None, **fields: Any) -> dict[str, Any]:
        frame = {"type": kind, **{name: value for name, value in fields.items() if value is not None}}
        if self._end is not None:
            raise self._end
        return await self._live.call(frame, self._command_timeout_s if timeout_s is None else timeout_s)


connect = Screen
