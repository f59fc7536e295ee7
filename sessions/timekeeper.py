"""The timekeeper: applies deadlines when they come, through the same service as every other door.

It makes pushes punctual, never states right: whoever looks at a session applies what is due first. Several may run; the
version check of the commit script makes a double application impossible. See docs/clock.md.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from sessions.services import sessions as service
from sessions.store import store
from sessions.store.calls import arun, ask
from synckairos import keys, logs, metrics
from synckairos.engine.units import Instant
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
            if pause_s:
                await self._sleep(pause_s)
        log.info("timekeeper stopped")

    async def tick(self, shard: int) -> float:
        """Apply what is due in a shard now; gives how long it may be left alone, in seconds."""
        due = await arun(ask(store.due(shard, BATCH)))
        await asyncio.gather(*(self._apply(session_id, at_ms) for session_id, at_ms in due.overdue))
        if due.overdue:
            return 0.0
        if due.earliest_ms is None:
            return LONGEST_SLEEP_S
        return min(max((due.earliest_ms - due.now) / 1000, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)

    async def _apply(self, member: str, deadline_ms: Instant) -> None:
        session_id = UUID(member)
        try:
            outcome = await arun(service.apply_due(session_id))
        except ServiceUnavailable:
            raise
        except Exception:
            # One broken session must not stop the others: its deadline is taken away, and that is said loudly.
            log.exception("deadline set aside", session_id=member)
            metrics.DEADLINES_SET_ASIDE.inc()
            await arun(ask(store.forget(session_id, set_aside=True)))
            return
        if outcome is None:
            await arun(ask(store.forget(session_id, set_aside=False)))
            return
        metrics.DEADLINE_LATENESS_SECONDS.observe(max(0, outcome.at_ms - deadline_ms) / 1000)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
