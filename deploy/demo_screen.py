"""One screen of the demo, on a device whose clock is wrong."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
import synckairos_client as client  # noqa: E402 - the other scripts have it from here
from synckairos_client.clock_sync import device_clock  # noqa: E402 - likewise


@dataclass
class Screen:
    """A screen. `wrong_by_ms` is the error of its device's clock: on one machine all clocks would agree."""

    name: str
    wrong_by_ms: float
    live: client.Screen
    on_events: Callable[[Screen, tuple[dict[str, Any], ...]], None]
    arrived_s: dict[int, float] = field(default_factory=dict)
    """Arrival of each version, on the machine's monotonic clock."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        """Receive updates until the screen ends."""
        async for update in self.live.updates():
            self.arrived_s.setdefault(self.live.version, time.perf_counter())
            self.changed.set()
            self.on_events(self, update.events)

    @property
    def state(self) -> dict[str, Any]:
        """Return the state on the screen; a game exists before its screens."""
        return self.live.state or {}

    def left_ms(self, participant_id: str) -> float:
        """Return the time left of a participant on the screen."""
        return self.live.remaining_ms(participant_id) or 0.0


@asynccontextmanager
async def new_screen(
    name: str,
    wrong_by_ms: float,
    on_events: Callable[[Screen, tuple[dict[str, Any], ...]], None],
    address: tuple[str, str, str],
) -> AsyncIterator[Screen]:
    """Return a connected screen; the address is a base URL, a session id and a token."""
    right_ms = device_clock()
    async with client.connect(*address, device_ms=lambda: right_ms() + wrong_by_ms) as live:
        screen = Screen(name, wrong_by_ms, live, on_events)
        watching = asyncio.create_task(screen.watch())
        try:
            yield screen
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def spread_ms(screens: list[Screen]) -> float | None:
    """Return the largest difference between the screens' running clocks; None while one of them lacks the last
    frame."""
    if len({screen.live.version for screen in screens}) != 1:
        return None
    active = screens[0].state["active_participant_id"]
    if active is None:
        return 0.0
    shown = [screen.left_ms(active) for screen in screens]
    return max(shown) - min(shown)
