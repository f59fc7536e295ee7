"""What a client's application would do: take updates, and keep what they delivered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from synckairos_client import Screen, Update, connect

WITHIN_S = 60.0


class Hasty(random.Random):
    """Waits hardly at all, where a client may wait for a random time."""

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) / 50


async def eventually(condition: Callable[[], Any], within_s: float = WITHIN_S) -> None:
    """Wait for what no update announces."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


class Watcher:
    """Takes the updates of one screen as they come."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.updates: list[Update] = []
        self._iterator = screen.updates()

    async def until(self, condition: Callable[[Update], Any], within_s: float = WITHIN_S) -> Update:
        """Take updates until one is as wanted."""
        async with asyncio.timeout(within_s):
            while True:
                update = await anext(self._iterator)
                self.updates.append(update)
                if condition(update):
                    return update

    async def until_version(self, version: int) -> Update:
        """Until this version is shown, and all its events have been delivered."""
        await self.until(lambda update: update.state and update.state["version"] >= version)
        while self.delivered and self.delivered[-1] < version and not self.has_lost:
            await self.until(lambda update: update.events or update.resynced)
        return self.updates[-1]

    async def to_the_end(self, within_s: float = WITHIN_S) -> None:
        """Take updates until there are no more; raises what the iterator raises."""
        async with asyncio.timeout(within_s):
            async for update in self._iterator:
                self.updates.append(update)

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events delivered."""
        return [event for update in self.updates for event in update.events]

    @property
    def delivered(self) -> list[int]:
        """Their versions."""
        return [event["version"] for event in self.events]

    @property
    def shown(self) -> list[int]:
        """The versions shown."""
        return [update.state["version"] for update in self.updates if update.state]

    @property
    def has_lost(self) -> bool:
        """Whether events are missing."""
        return any(update.resynced or update.dropped for update in self.updates)


@asynccontextmanager
async def watching(url: str, session_id: str, token: Any, **options: Any):
    """A connected screen and its watcher."""
    async with connect(url, session_id, token, **options) as screen:
        yield Watcher(screen)
