"""Updates of an application: at most one waits, so a slow application lacks at most events, never the newest state."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from synckairos_client.frames import Event, State


@dataclass(frozen=True, slots=True)
class Update:
    """The newest state, and the events since the last update."""

    state: State | None = None
    """The newest state, whole; None while the session does not exist."""
    presence: tuple[str, ...] = ()
    """Ids of the participants that have a connected client."""
    is_connected: bool = False
    """True while changes arrive; otherwise the clock continues without the server."""
    events: tuple[Event, ...] = ()
    """New events, in order, each once, by `epoch` and `sequence`. They may be behind `state` while a gap is closed."""
    is_new_session: bool = False
    """True if the state is of a session not shown before: the first, or a new one with the same id."""
    resynced: bool = False
    """True if the server could not send all events: some are missing, the state is complete."""
    dropped: bool = False
    """True if the application was slow: its oldest waiting events were dropped, the state is complete."""


class Updates:
    """An async iterator of updates, which begins with the current state.

    Updates that were not taken yet are merged: the newest state, and all events, up to `limit` of them. The iterator
    ends when the session is deleted or the screen is closed; otherwise it raises the error that ended the screen.
    """

    def __init__(self, first: Update, limit: int) -> None:
        self._waiting: Update | None = first
        self._events: deque[Event] = deque(first.events, maxlen=limit)
        self._wake = asyncio.Event()
        self._wake.set()
        self._is_over = False
        self._failure: Exception | None = None

    def offer(self, update: Update) -> None:
        """Add an update for the application."""
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
        """End the iterator, with an error if there is one."""
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
