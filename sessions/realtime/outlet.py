"""The way out to one socket: frames wait here until the socket can take them.

State frames conflate: only the newest waits. Notices and answers queue up to a bound. So a slow client costs a fixed
amount of memory, holds up nobody, and always ends with the last state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from synckairos import metrics

MAX_WAITING = 64
"""Notices and answers that may wait; beyond it the oldest are dropped."""

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int, str], Awaitable[None]]


class Position(NamedTuple):
    """The state that a socket has been given, or is about to be."""

    epoch: str | None
    version: int

    def is_before(self, epoch: str, version: int) -> bool:
        """Whether that state is news: a newer version, or another session of the same id."""
        return epoch != self.epoch or version > self.version


NOWHERE = Position(None, 0)


class Outlet:
    """One socket's outgoing side. `run` is its one task; everything else only leaves frames."""

    def __init__(self, send: Send, close: Close) -> None:
        self.position = NOWHERE
        self.is_held = True
        """Until the first frame is there, the others wait."""
        self._send = send
        self._close = close
        self._queue: deque[str] = deque(maxlen=MAX_WAITING)
        self._state: str | None = None
        self._sync: str | None = None
        self._last: str | None = None
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()

    def release(self, first: str, shown: Position = NOWHERE) -> None:
        """Send this frame, which shows this state, before all others; of those that wait, only news follow."""
        self._queue.appendleft(first)
        if shown.epoch is not None and (self.position.epoch != shown.epoch or self.position.version <= shown.version):
            self.position, self._state = shown, None
        self.is_held = False
        self._wake.set()

    def offer_state(self, epoch: str, version: int, frame: str, notices: Iterable[str] = ()) -> None:
        """A state with its notices; dropped when the socket has been given this or a newer one."""
        if self._closing is not None or not self.position.is_before(epoch, version):
            return
        self.position = Position(epoch, version)
        if self._state is not None:
            metrics.SOCKET_FRAMES_CONFLATED.inc()
        self._state = frame
        self._queue.extend(notices)
        self._wake.set()

    def put(self, frame: str) -> None:
        """An answer."""
        self._queue.append(frame)
        self._wake.set()

    def put_sync(self, shown: Position, frame: str) -> bool:
        """An answer that shows a state. False, and nothing is sent, when the socket has been given a newer one."""
        if self.position.epoch == shown.epoch and self.position.version > shown.version:
            return False
        self.position, self._state, self._sync = shown, None, frame
        self._wake.set()
        return True

    def finish(self, code: int, reason: str, last: str | None = None) -> None:
        """Close after what is waiting, and after a last frame."""
        if self._closing is None:
            self._closing, self._last = (code, reason), last
            self._wake.set()

    async def run(self) -> None:
        """Send what there is, as fast as the socket takes it, until told to close."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.is_held:
                continue
            while (frame := self._next()) is not None:
                await self._send(frame)
                metrics.SOCKET_FRAMES_OUT.inc()
            if self._closing is not None:
                await self._close(*self._closing)
                return

    def _next(self) -> str | None:
        if self._queue:
            return self._queue.popleft()
        frame, self._sync = self._sync, None
        if frame is None:
            frame, self._state = self._state, None
        if frame is None:
            frame, self._last = self._last, None
        return frame
