"""Liveness of web processes: each reports every second, and each derives from the reports which others are alive.

A missing report counts only while the process could have been received: see docs/consistency.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from sessions.services.presence_queries import ALIVE_WITHIN_MS
from synckairos.engine.units import Duration
from synckairos.ops.alive_processes import list_alive, report_alive, report_stopped
from synckairos.redis import keys
from synckairos.redis.scripts import send

ALIVE_EVERY_S = 1.0
_LATE_S = 2 * ALIVE_EVERY_S
_FORGOTTEN_MS = 60_000


class LivenessChange(NamedTuple):
    """The difference between two updates."""

    has_changed: bool
    """True when the set of live processes has changed."""
    may_be_cleared: bool
    """True when the store may no longer have the announcements of this process."""


class Liveness:
    """The live processes as one process sees them."""

    def __init__(self) -> None:
        self.process = uuid4().hex[:16]
        """The name of this process."""
        self.alive: frozenset[str] = frozenset()
        self.dead: frozenset[str] = frozenset()
        """Processes whose last report in the store is old. A process without a report may be alive all the same."""
        self._reported_at_s: dict[str, float] = {}
        """Instant of each process's last report, on the loop's clock. It is kept here because a store that has lost its
        data knows no process until each has reported again."""
        self._updated_at_s = 0.0

    @property
    def is_late(self) -> bool:
        """Return true when this process has not reported for so long that others may ignore its announcements."""
        return not self._updated_at_s or asyncio.get_running_loop().time() - self._updated_at_s > _LATE_S

    async def report(self) -> tuple[dict[str, Duration], float]:
        """Report that this process is alive; return the arguments of `update`. Raises ServiceUnavailable."""
        report_ages = await send(list_alive(keys.web_processes(), _FORGOTTEN_MS))  # before the report
        now_s = asyncio.get_running_loop().time()
        await send(report_alive(keys.web_processes(), self.process))
        return report_ages, now_s

    async def withdraw(self) -> None:
        """Remove the report of this process. Raises ServiceUnavailable."""
        await send(report_stopped(keys.web_processes(), self.process))

    def update(self, report_ages: Mapping[str, Duration], now_s: float) -> LivenessChange:
        """Update the live processes from the age of each one's last report, in ms, at an instant on the loop's clock.

        A store that no longer knows this process has lost its data, with the other reports and all announcements.
        """
        silence_s = now_s - self._updated_at_s if self._updated_at_s else 0.0
        is_forgotten = bool(self._updated_at_s) and self.process not in report_ages
        self._updated_at_s = now_s
        before, self.alive = (
            self.alive,
            self._alive_after(report_ages, now_s, after_outage=is_forgotten or silence_s > _LATE_S),
        )
        self.dead = frozenset(p for p, ago_ms in report_ages.items() if ago_ms > 2 * ALIVE_WITHIN_MS) - self.alive
        # Other processes may have deleted the announcements of a process that seemed dead.
        return LivenessChange(before != self.alive, is_forgotten or silence_s * 1000 > ALIVE_WITHIN_MS)

    def _alive_after(self, report_ages: Mapping[str, Duration], now_s: float, *, after_outage: bool) -> frozenset[str]:
        """Return the processes that count as alive. After an outage (of the store, its data or this process) missing
        reports prove nothing."""
        reported_at_s = self._reported_at_s | (dict.fromkeys(self.alive, now_s) if after_outage else {})
        for process, ago_ms in report_ages.items():
            reported_at_s[process] = max(reported_at_s.get(process, 0.0), now_s - ago_ms / 1000)
        self._reported_at_s = {
            process: at_s for process, at_s in reported_at_s.items() if (now_s - at_s) * 1000 < _FORGOTTEN_MS
        }
        return frozenset(p for p, at_s in self._reported_at_s.items() if (now_s - at_s) * 1000 <= ALIVE_WITHIN_MS)
