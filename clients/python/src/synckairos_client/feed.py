"""What waits for an application: at most one update, so that a slow one is behind in nothing but events."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from synckairos_client.frames import Event
from synckairos_client.update import Update


class Updates:
    """An async iterator of updates, beginning with how things are.

    Updates that nobody has taken yet become one: the newest state, all events, up to `limit` of them. It ends when the
    session is deleted or the screen closed, and raises what ended it otherwise.
    """

    def __init__(self, first: Update, limit: int) -> None:
        self._waiting: Update | None = first
        self._events: deque[Event] = deque(first.events, maxlen=limit)
        self._wake = asyncio.Event()
        self._wake.set()
        self._is_over = False
        self._failure: Exception | None = None

    def offer(self, update: Update) -> None:
        """Something new."""
        room = (self._events.maxlen or 0) - len(self._events)
        self._events.extend(update.events)
        before = self._waiting or Update()
        self._waiting = replace(
            update,
            is_new_session=update.is_new_session or before.is_new_session,
            resynced=update.resynced or before.resynced,
            dropped=before.dropped or len(update.events) > room,
        )
        self._wake.set()

    def end(self, failure: Exception | None) -> None:
        """There will be no more."""
        self._is_over, self._failure = True, failure
        self._wake.set()

    def __aiter__(self) -> Updates:
        return self

    async def __anext__(self) -> Update:
        await self._wake.wait()
        if self._waiting is not None:
            update = replace(self._waiting, events=tuple(self._events))
            self._waiting = None
            self._events.clear()
            if not self._is_over:
                self._wake.clear()
            return update
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration
