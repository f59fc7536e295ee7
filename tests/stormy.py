"""Screens in bad times: what each has shown, told and been answered, and what must hold of that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

COMMAND_S = 90.0
CONTENT = ("epoch", "version", "status", "active_participant_id", "cycle_started_at", "cycle_number", "deadline_at")


class Hasty(random.Random):
    """Comes back within a second, however often it had to."""

    def uniform(self, a: float, b: float) -> float:
        return super().uniform(a, min(b, 1.0))


@dataclass
class View:
    """One screen, and all that it has shown, told, and been answered."""

    session_id: str
    player: str | None
    screen: Any
    shown: list[tuple[str, int]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    answers: dict[str, set[int]] = field(default_factory=dict)
    """Versions by command id, of every answer that arrived, repeated ones too."""
    went_back: list[str] = field(default_factory=list)
    """Frames of one connection that were older than the one before."""
    connections: int = 0
    resyncs: int = 0
    is_missing_events: bool = False

    def listen(self) -> None:
        """Look at each frame before the client does."""
        session, last = self.screen._session, [0]
        handle, connected = session._handle, session._connected

        def on_frame(frame: dict[str, Any]) -> bool:
            if frame["type"] == "ACK":
                self.answers.setdefault(frame["id"], set()).add(frame["version"])
            elif frame["type"] in {"STATE_UPDATE", "STATE_SYNC"}:
                if frame["version"] < last[0]:
                    self.went_back.append(f"{frame['type']} {frame['version']} after {last[0]}")
                last[0] = frame["version"]
            return bool(handle(frame))

        async def on_connected(socket: Any, frame: dict[str, Any]) -> bool:
            self.connections += 1
            last[0] = frame["version"]
            return bool(await connected(socket, frame))

        session._handle, session._connected = on_frame, on_connected

    def look(self) -> None:
        """What it shows now."""
        position = (self.screen.epoch, self.screen.version)
        if not self.shown or self.shown[-1] != position:
            self.shown.append(position)

    async def follow(self) -> None:
        """Take the updates, as an application does."""
        async for update in self.screen.updates():
            if update.state is not None:
                self.shown.append((update.state["epoch"], update.state["version"]))
            self.look()
            self.told.extend(event["version"] for event in update.events)
            self.resyncs += update.resynced
            self.is_missing_events |= update.resynced or update.dropped

    async def play(self, goes_on: Callable[[], bool], rng: random.Random) -> None:
        """Switch after switch; each is waited for."""
        while goes_on():
            answer = await self.screen.switch(timeout_s=COMMAND_S)
            self.acked.append(answer["version"])
            await asyncio.sleep(rng.uniform(0.05, 0.4))

    def is_told(self) -> bool:
        """Whether all events are there that it will ever be told."""
        return self.is_missing_events or (bool(self.told) and self.told[-1] == self.screen.version)


def content(state: dict[str, Any] | None) -> Any:
    """What has to be the same on every screen, whenever it was worked out."""
    if state is None:
        return None
    seats = [(seat["participant_id"], seat["total_time_ms"], seat["is_active"]) for seat in state["participants"]]
    return [state[name] for name in CONTENT], seats


def check_screens(views: list[View]) -> None:
    """None went back, and each was told the events once each, all of them unless it said otherwise."""
    for view in views:
        assert not view.went_back
        assert len({epoch for epoch, _ in view.shown}) == 1
        versions = [version for _, version in view.shown]
        assert versions == sorted(versions), "a version went back"
        assert view.told == sorted(set(view.told)), "an event was told twice, or late"
        if not view.is_missing_events:
            assert view.told == list(range(versions[0] + 1, versions[-1] + 1)), "events are missing"
