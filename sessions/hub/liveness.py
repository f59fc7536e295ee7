"""Which web processes are alive: each says so every second, and this is what one of them knows of the others.

Silence counts against others only while it could have been broken: see docs/consistency.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from sessions.services.presence import ALIVE_WITHIN_MS
from synckairos.engine.units import Duration
from synckairos.ops.alive_processes import list_alive, report_alive, report_stopped
from synckairos.redis import keys
from synckairos.redis.scripts import send

ALIVE_EVERY_S = 1.0
_LATE_S = 2 * ALIVE_EVERY_S
_FORGOTTEN_MS = 60_000


class Noted(NamedTuple):
    """What one look has shown."""

    has_changed: bool
    """Others count as alive than before."""
    may_be_cleared: bool
    """The store may have nothing any more of what this process has announced."""


class Liveness:
    """What one process knows of all."""

    def __init__(self) -> None:
        self.process = uuid4().hex[:16]
        """The name of this one."""
        self.alive: frozenset[str] = frozenset()
        self.dead: frozenset[str] = frozenset()
        """Who has been silent for long by the store's own word: one that it does not know may be alive all the same."""
        self._heard_at_s: dict[str, float] = {}
        """When each process was last heard of, on the loop's clock. Ours to remember: a store that has lost its data
        knows nobody until everybody has spoken again."""
        self._looked_at_s = 0.0

    @property
    def is_late(self) -> bool:
        """Whether this process has not spoken for so long that others may not believe it, or never has."""
        return not self._looked_at_s or asyncio.get_running_loop().time() - self._looked_at_s > _LATE_S

    async def ask(self) -> tuple[dict[str, Duration], float]:
        """Tell that this process is alive; gives what `look` is to be told. Raises ServiceUnavailable."""
        heard = await send(list_alive(keys.web_processes(), _FORGOTTEN_MS))  # first: are we still there ourselves?
        now_s = asyncio.get_running_loop().time()
        await send(report_alive(keys.web_processes(), self.process))
        return heard, now_s

    async def leave(self) -> None:
        """Be forgotten. Raises ServiceUnavailable."""
        await send(report_stopped(keys.web_processes(), self.process))

    def look(self, heard: Mapping[str, Duration], now_s: float) -> Noted:
        """Take note of who lives: how long ago the store has heard of each, at an instant on the loop's clock.

        A store that does not know this process any more has lost its data since, and with it the others' signs of life
        and all announcements.
        """
        silence_s = now_s - self._looked_at_s if self._looked_at_s else 0.0
        is_forgotten = bool(self._looked_at_s) and self.process not in heard
        self._looked_at_s = now_s
        before, self.alive = self.alive, self._believed(heard, now_s, after_outage=is_forgotten or silence_s > _LATE_S)
        self.dead = frozenset(p for p, ago_ms in heard.items() if ago_ms > 2 * ALIVE_WITHIN_MS) - self.alive
        # Others may have cleared away what they no longer believed.
        return Noted(before != self.alive, is_forgotten or silence_s * 1000 > ALIVE_WITHIN_MS)

    def _believed(self, heard: Mapping[str, Duration], now_s: float, *, after_outage: bool) -> frozenset[str]:
        """Who counts as alive. While the store was away, or we did not ask, or what it had heard was lost, nobody could
        be heard: that silence proves nothing."""
        known = self._heard_at_s | (dict.fromkeys(self.alive, now_s) if after_outage else {})
        for process, ago_ms in heard.items():
            known[process] = max(known.get(process, 0.0), now_s - ago_ms / 1000)
        self._heard_at_s = {process: at_s for process, at_s in known.items() if (now_s - at_s) * 1000 < _FORGOTTEN_MS}
        return frozenset(p for p, at_s in self._heard_at_s.items() if (now_s - at_s) * 1000 <= ALIVE_WITHIN_MS)
