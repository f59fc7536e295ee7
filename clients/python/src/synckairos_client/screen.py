"""One live session for one screen: its state, its clock and its commands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID
from weakref import WeakSet

from synckairos_client import clock
from synckairos_client.backoff import Backoff
from synckairos_client.clock import Clock
from synckairos_client.clock_sync import DeviceClock, device_clock
from synckairos_client.connection import ConnectionLoop, Credentials, Endpoint
from synckairos_client.errors import Ended, Unreachable
from synckairos_client.frames import State, present
from synckairos_client.live_session import LiveSession
from synckairos_client.pending_commands import PendingCommands
from synckairos_client.screen_commands import ScreenCommands
from synckairos_client.think_time import ThinkTime
from synckairos_client.tokens import TokenProvider, TokenSource
from synckairos_client.updates import Update, Updates

T = TypeVar("T")


class Screen(ScreenCommands):
    """A live session: `async with connect(url, session_id, token) as screen`.

    `url` is the base address of the server (http, https, ws or wss). `token` is a bearer token, or an async function
    that returns one. Entering waits for the first frame, at most `open_timeout_s`, and raises Refused or Unreachable.
    From then on lost connections are opened again.
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
        """True after the session was deleted: there are no more updates, and commands raise Ended."""
        self._open_timeout_s = open_timeout_s
        self._command_timeout_s = command_timeout_s
        self._max_waiting_events = max_waiting_events
        self._iterators: WeakSet[Updates] = WeakSet()
        self._pending = PendingCommands()
        self._tokens = TokenSource(token)
        self._device_ms = device_ms or device_clock()
        self._think_time = ThinkTime()
        self._session = LiveSession(self._pending, self._tokens, self._device_ms, self._offer)
        endpoint = Endpoint.of(url, session_id, heartbeat_s, credentials)
        self._connections = ConnectionLoop(endpoint, self._tokens, Backoff(rng=rng), self._session.server_now_s)
        self._running: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    # State

    @property
    def state(self) -> State | None:
        """Return the newest state; None while the session does not exist."""
        return self._session.tracker.state

    @property
    def version(self) -> int:
        """Return the version of the state; 0 without one. It never decreases on one connection, within one epoch."""
        return self._session.tracker.version

    @property
    def epoch(self) -> str | None:
        """Return the epoch, which distinguishes sessions that had one id, one after the other."""
        return self._session.tracker.epoch

    @property
    def presence(self) -> tuple[str, ...]:
        """Return the ids of the participants that have a connected client."""
        return self._session.presence

    @property
    def is_connected(self) -> bool:
        """Return true while changes arrive. Otherwise the clock continues without the server."""
        return self._session.is_connected

    def updates(self) -> Updates:
        """Return a new iterator of all changes from now on, which begins with the current state."""
        iterator = Updates(self._update(), self._max_waiting_events)
        if self._running is None or self._running.done():
            iterator.end(self._failure)
        self._iterators.add(iterator)
        return iterator

    # Clock

    @property
    def offset_ms(self) -> float:
        """Return the difference: server clock minus device clock."""
        return self._session.offset.offset_ms

    @property
    def error_ms(self) -> float:
        """Return the largest error of `offset_ms`; infinite until it has been measured."""
        return self._session.offset.error_ms

    def server_now_ms(self) -> float:
        """Return the server's clock, in milliseconds since the Unix epoch."""
        return self._session.server_now_ms()

    def remaining_ms(self, participant_id: str | UUID | None = None) -> float | None:
        """Return the time left of a participant or of the running clock; see `clock.remaining_ms`."""
        participant = None if participant_id is None else str(participant_id)
        return self._at_server_time(lambda state, now_ms: clock.remaining_ms(state, now_ms, participant))

    def clock(self, participant_id: str | UUID) -> Clock | None:
        """Return the clock of a participant at this instant, with the phase of its time control; None without a
        session. Raises KeyError for a participant that is not in the session."""
        return self._at_server_time(lambda state, now_ms: clock.participant_clock(state, now_ms, str(participant_id)))

    def group_clock(self, group_id: str | UUID) -> Clock | None:
        """Return the clock that the members of a group share, likewise."""
        return self._at_server_time(lambda state, now_ms: clock.group_clock(state, now_ms, str(group_id)))

    def overtime_ms(self) -> float | None:
        """Return the time by which the running cycle is beyond the end of its clock; None without a session."""
        return self._at_server_time(clock.overtime_ms)

    def elapsed_ms(self) -> float | None:
        """Return the total running time of the session; None without a session."""
        return self._at_server_time(clock.elapsed_ms)

    def think_ms(self) -> int | None:
        """Return the time for which the running turn has been on this screen, for `switch` in a session that
        compensates lag. It is None when the beginning of the turn was not shown here."""
        return self._think_time.at_ms(self._device_ms())

    # Lifetime

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name=f"screen {self.session_id}")
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._session.was_connected.wait()
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError):
                raise Unreachable(f"no first frame within {self._open_timeout_s:g} s") from self._connections.last_error
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
            await self._connections.run(self._session.serve)
            self.is_deleted = True
            self._end = Ended("the session was deleted")
        except Exception as failure:  # noqa: BLE001 - every error has to end the iterators and commands
            self._end = failure
        finally:
            self._end = self._end or Ended("the screen was closed")
            self._pending.fail(self._end)
            self._session.was_connected.set()
            for iterator in self._iterators:
                iterator.end(self._failure)

    @property
    def _failure(self) -> Exception | None:
        """Return the error that ended the screen; None for a regular end."""
        return None if isinstance(self._end, Ended) else self._end

    def _update(self) -> Update:
        return Update(self.state, self.presence, self.is_connected)

    def _offer(self, update: Update) -> None:
        self._think_time.show(update, self._device_ms())
        for iterator in self._iterators:
            iterator.offer(update)

    def _at_server_time(self, read: Callable[[State, float], T | None]) -> T | None:
        return None if self.state is None else read(self.state, self.server_now_ms())

    async def _command(self, kind: str, timeout_s: float | None, **fields: Any) -> dict[str, Any]:
        frame = {"type": kind, **present(fields)}
        if self._end is not None:
            raise self._end
        return await self._session.call(frame, self._command_timeout_s if timeout_s is None else timeout_s)


connect = Screen
