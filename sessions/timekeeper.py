"""The timekeeper: applies deadlines when they come, through the same service as every other door.

It makes pushes punctual, never states right: whoever looks at a session applies what is due first. Several may run; the
version check of the commit script makes a double application impossible. See docs/clock.md.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from redis.exceptions import RedisError

from sessions.services.deadlines import Applied, Fate, apply_due
from sessions.store import store
from sessions.store.calls import arun, ask
from sessions.store.store import Due
from synckairos import keys, logs, metrics
from synckairos.errors import ServiceUnavailable

log = logs.get(__name__)

LONGEST_SLEEP_S = 0.05
"""How late a deadline that was set during the sleep may be noticed."""
SHORTEST_SLEEP_S = 0.001
BATCH = 100
"""Most sessions of a shard that are taken up together."""
AFTER_FAULT_S = 0.5


class Timekeeper:
    """Watches every shard until told to stop."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish what is in hand, then end."""
        self._stopping.set()

    async def run(self) -> None:
        """Apply deadlines until `stop`."""
        log.info("timekeeper started", shards=len(keys.all_shards()))
        while not self._stopping.is_set():
            try:
                pauses = [await self.tick(shard) for shard in keys.all_shards()]
                pause_s = min(pauses)
            except ServiceUnavailable:
                log.warning("the state store is away")
                pause_s = AFTER_FAULT_S
            except RedisError:
                log.exception("the state store refuses")
                pause_s = AFTER_FAULT_S
            if pause_s:
                await self._sleep(pause_s)
        log.info("timekeeper stopped")

    async def tick(self, shard: int) -> float:
        """Apply what is due in a shard now, one portion to each session, the longest overdue first.

        Gives how long the shard may be left alone, in seconds.
        """
        due = await arun(ask(store.due(shard, BATCH)))
        if due.overdue:
            return await self._apply(due)
        if due.earliest_ms is None:
            return LONGEST_SLEEP_S
        return min(max((due.earliest_ms - due.now) / 1000, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)

    async def _apply(self, due: Due) -> float:
        deadlines = {UUID(member): at_ms for member, at_ms in due.overdue}
        pause_s = 0.0
        for applied in await apply_due(list(deadlines)):
            match applied.fate:
                case Fate.APPLIED:
                    late_ms = max(0, applied.at_ms - deadlines[applied.session_id])
                    metrics.DEADLINE_LATENESS_SECONDS.observe(late_ms / 1000)
                case Fate.GONE:
                    await arun(ask(store.forget(applied.session_id, set_aside=False)))
                case Fate.BROKEN:
                    await self._set_aside(applied)
                case Fate.LATER:
                    log.error("deadline put off", session_id=str(applied.session_id), exc_info=applied.fault)
                    pause_s = AFTER_FAULT_S
        return pause_s

    async def _set_aside(self, broken: Applied) -> None:
        """One broken session must not stop the others: its deadline is taken away, and that is said loudly."""
        log.error("deadline set aside", session_id=str(broken.session_id), exc_info=broken.fault)
        metrics.DEADLINES_SET_ASIDE.inc()
        await arun(ask(store.forget(broken.session_id, set_aside=True)))

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
