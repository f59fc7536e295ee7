"""The game of the demo: two players with a bank each, who play by REST and by socket in turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from demo_screen import Screen, client, new_screen

BANK_MS, INCREMENT_MS = 20_000, 2_000
_THINKING_S = (0.3, 1.5)
_EVENTS_SHOWN = 6
_LAST_FRAME_S = 0.2
_SETTLE_S = 1.5  # the stack's last processes still start
_FIRST_PINGS_S = 0.5
# The clocks of three devices; each screen has to find out for itself.
_DEVICES = (("Ada", 3_217.0), ("Grace", -7_940.0), ("Spectator", 412.0))
_PLAYERS = 2


@dataclass
class Game:
    """One session, its screens, and the measured instants."""

    api: client.Api
    session_id: str
    players: dict[str, str]
    """Names by participant id, in the order of play."""
    screens: list[Screen] = field(default_factory=list)
    moved_s: dict[int, float] = field(default_factory=dict)
    """Instant of each switch at its player, by the version that it made."""
    events: deque[str] = field(default_factory=lambda: deque(maxlen=_EVENTS_SHOWN))
    worst_ms: float = 0.0

    async def play(self, seconds: float) -> None:
        """Start the session, play for a given time, and complete it."""
        await self.api.start(self.session_id)
        ends_s = time.monotonic() + seconds
        await asyncio.gather(*(self._move_when_due(screen, ends_s) for screen in self.screens[:_PLAYERS]))
        await asyncio.sleep(_LAST_FRAME_S)
        await self.api.complete(self.session_id)
        await asyncio.sleep(_LAST_FRAME_S)

    def latencies_ms(self) -> list[float]:
        """Return the times from each switch to its frame on each screen, the shortest first."""
        return sorted(
            (screen.arrived_s[version] - moved_s) * 1000
            for version, moved_s in self.moved_s.items()
            for screen in self.screens
            if version in screen.arrived_s
        )

    async def _move_when_due(self, screen: Screen, ends_s: float) -> None:
        me = next(key for key, name in self.players.items() if name == screen.name)
        while (left_s := ends_s - time.monotonic()) > 0:
            screen.changed.clear()
            if screen.state["status"] == "running" and screen.state["active_participant_id"] == me:
                thinking_s = random.uniform(*_THINKING_S)  # nobody gains by guessing it
                await asyncio.sleep(min(thinking_s, left_s))
                if thinking_s < left_s:
                    await self._move(screen, me)
            with suppress(TimeoutError):
                await asyncio.wait_for(screen.changed.wait(), ends_s - time.monotonic())

    async def _move(self, screen: Screen, me: str) -> None:
        expected = screen.state["version"] + 1
        self.moved_s[expected] = time.perf_counter()
        if len(self.moved_s) % 2:
            await screen.live.switch(current_participant_id=me)
        else:
            await self.api.switch(self.session_id, current_participant_id=me)

    def heard(self, screen: Screen, events: tuple[dict[str, Any], ...]) -> None:
        """Store what the spectator receives."""
        if screen is self.screens[-1]:
            who = self.players.get(str(screen.state["active_participant_id"]), "")
            self.events += [f"{event['type']:<18} version {screen.state['version']:<3} {who}" for event in events]


@asynccontextmanager
async def new_game(url: str, token: str) -> AsyncIterator[Game]:
    """Return a session with three connected screens whose clocks are synchronised."""
    players = {str(uuid4()): name for name, _ in _DEVICES[:_PLAYERS]}
    body = {
        "sync_mode": "per_participant",
        "increment_ms": INCREMENT_MS,
        "participants": [{"participant_id": key, "total_time_ms": BANK_MS} for key in players],
    }
    async with AsyncExitStack() as open_things:
        api = await open_things.enter_async_context(client.Api(url, token))
        game = Game(api, (await api.create(body))["session_id"], players)
        await asyncio.sleep(_SETTLE_S)
        for name, wrong_by_ms in _DEVICES:
            screen = new_screen(name, wrong_by_ms, game.heard, (url, game.session_id, token))
            game.screens.append(await open_things.enter_async_context(screen))
        await asyncio.sleep(_FIRST_PINGS_S)
        yield game
