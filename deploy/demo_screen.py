"""One screen of the demo: a client that knows the session from its socket, and the time from its own wrong clock."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from websockets.asyncio.client import ClientConnection

_PINGS_AT_START = 5
_PING_PAUSE_S = 0.05
_PING_EVERY_S = 1.0
_PINGS_KEPT = 8


@dataclass
class Screen:
    """What one person sees. `wrong_by_ms` is how far this device's clock is off: on one machine all would agree."""

    name: str
    wrong_by_ms: float
    socket: ClientConnection
    on_events: Callable[[Screen, list[dict[str, Any]]], None]
    state: dict[str, Any] = field(default_factory=dict)
    arrived_s: dict[int, float] = field(default_factory=dict)
    """When the frame of each version came, on the machine's monotonic clock."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _pings: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_PINGS_KEPT))
    """Round trip and offset, both in milliseconds."""

    async def watch(self) -> None:
        """Take frames until the socket ends."""
        async for text in self.socket:
            frame = json.loads(text)
            if frame["type"] == "PONG":
                self._synchronise(frame)
            elif frame.get("state") is not None:
                self._show(frame)

    async def keep_time(self) -> None:
        """Measure the offset, a few times at once and then now and then."""
        count = 0
        while True:
            await self.send({"type": "PING", "timestamp": self.device_ms(time.time())})
            count += 1
            await asyncio.sleep(_PING_PAUSE_S if count < _PINGS_AT_START else _PING_EVERY_S)

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one frame."""
        await self.socket.send(json.dumps(frame))

    @property
    def offset_ms(self) -> float:
        """Server clock minus this device's, from the quickest of the last PINGs: it waited least."""
        return min(self._pings)[1] if self._pings else 0.0

    def device_ms(self, true_s: float) -> float:
        """What the device's clock shows at an instant."""
        return true_s * 1000 + self.wrong_by_ms

    def left_ms(self, participant_id: str, true_s: float) -> float:
        """What the screen shows for a participant at an instant; plain arithmetic on the last state."""
        seat = next(one for one in self.state["participants"] if one["participant_id"] == participant_id)
        left: float = seat["total_time_ms"]
        if participant_id == self.state["active_participant_id"] and self.state["cycle_started_at"]:
            began_ms = datetime.fromisoformat(self.state["cycle_started_at"]).timestamp() * 1000
            left -= max(0.0, self.device_ms(true_s) + self.offset_ms - began_ms)
        return max(0.0, left)

    def _synchronise(self, pong: dict[str, Any]) -> None:
        received_ms, sent_ms = self.device_ms(time.time()), pong["client_timestamp"]
        round_trip_ms = received_ms - sent_ms - (pong["server_sent_ms"] - pong["server_received_ms"])
        offset_ms = (pong["server_received_ms"] - sent_ms + pong["server_sent_ms"] - received_ms) / 2
        self._pings.append((round_trip_ms, offset_ms))

    def _show(self, frame: dict[str, Any]) -> None:
        if self.state and frame["version"] <= self.state["version"]:
            return
        self.state = frame["state"]
        self.arrived_s[frame["version"]] = time.perf_counter()
        self.changed.set()
        self.on_events(self, frame.get("events", []))


def spread_ms(screens: list[Screen]) -> float | None:
    """How far the screens' running clocks are apart right now; None while one of them lacks the last frame."""
    versions = {screen.state.get("version") for screen in screens}
    if len(versions) != 1 or None in versions:
        return None
    now_s, active = time.time(), screens[0].state["active_participant_id"]
    if active is None:
        return 0.0
    shown = [screen.left_ms(active, now_s) for screen in screens]
    return max(shown) - min(shown)
