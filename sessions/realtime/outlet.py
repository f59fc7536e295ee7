"""The way out to one socket: frames wait here until the socket can take them.

State frames conflate: only the newest waits. Notices and answers queue up to a bound. So a slow client costs a fixed
amount of memory, holds up nobody, and always ends with the last state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from synckairos import metrics

MAX_WAITING = 64
"""Notices and answers that may wait; beyond it the oldest are dropped."""

Send = Callable[[str], Awaitable[None]]
Close = Callable[[int, str], Awaitable[None]]


class Position:
    """The state a socket has been given, or is about to be: never goes back within an epoch."""

    __slots__ = ("epoch", "version")

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.version = 0

    def copy(self) -> Position:
        """The position as it is now."""
        other = Position()
        other.epoch, other.version = self.epoch, self.version
        return other

    def advance(self, epoch: str, version: int) -> bool:
        """Take a newer state's place; False when it is not newer."""
        if epoch == self.epoch and version <= self.version:
            return False
        self.epoch, self.version = epoch, version
        return True


class Outlet:
    """One socket's outgoing side. `run` is its one task; everything else only leaves frames."""

    def __init__(self, send: Send, close: Close) -> None:
        self.position = Position()
        self._send = send
        self._close = close
        self._queue: deque[str] = deque(maxlen=MAX_WAITING)
        self._state: str | None = None
        self._closing: tuple[int, str] | None = None
        self._is_held = True
        self._wake = asyncio.Event()

    def release(self, first: str) -> None:
        """Send this frame before all others, and let the others follow."""
        self._queue.appendleft(first)
        self._is_held = False
        self._wake.set()

    def offer_state(self, epoch: str, version: int, frame: str) -> None:
        """The newest state; dropped when the socket has been given this one or a newer."""
        if not self.position.advance(epoch, version):
            return
        if self._state is not None:
            metrics.SOCKET_FRAMES_CONFLATED.inc()
        self._state = frame
        self._wake.set()

    def put(self, frame: str) -> None:
        """A notice or an answer."""
        self._queue.append(frame)
        self._wake.set()

    def put_sync(self, epoch: str, version: int, frame: str) -> None:
        """An answer with a state: waiting states that are older are not sent after it."""
        if self.position.advance(epoch, version) or self.position.version == version:
            self._state = None
        self.put(frame)

    def finish(self, code: int, reason: str, last: str | None = None) -> None:
        """Close after what is waiting, and after a last frame."""
        if self._closing is None:
            self._closing = (code, reason)
            if last is not None:
                self._state = last
            self._wake.set()

    async def run(self) -> None:
        """Send what there is, as fast as the socket takes it, until told to close."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._is_held:
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
        frame, self._state = self._state, None
        return frame
