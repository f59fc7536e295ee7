"""Which shards this timekeeper serves. Each shard is leased; a dead holder loses it within two seconds.

Leases save work and keep order; correctness does not rest on them, for the commit script compares versions.
"""

from __future__ import annotations

import random
import time

from sessions.store import store
from synckairos import ids
from synckairos.ops import alive_processes
from synckairos.redis import keys
from synckairos.redis.scripts import send
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

LEASE_S = 1.25
"""A holder that is gone for so long has lost its shards."""
RENEW_EVERY_S = 0.5


class Leases:
    """The shards of one timekeeper: its fair share of them all."""

    def __init__(self) -> None:
        self.keeper = ids.new_request_id()
        self.held: set[int] = set()
        self._renewed_s = float("-inf")

    @property
    def renewal_in_s(self) -> float:
        """When to renew next, from now."""
        return max(0.0, self._renewed_s + RENEW_EVERY_S - time.monotonic())

    async def renew(self) -> None:
        """Keep what is held, give back what is above the fair share, take what is free below it."""
        began_s = time.monotonic()
        alive = await send(alive_processes.report_alive(keys.timekeepers(), self.keeper, int(LEASE_S * 1000)))
        share = -(-len(keys.all_shards()) // max(1, len(alive)))
        held = {shard for shard in self.held if await self._take(shard)}
        for shard in sorted(held)[share:]:
            await send(store.release(shard, self.keeper))
            held.discard(shard)
        free = [shard for shard in keys.all_shards() if shard not in held]
        random.shuffle(free)  # so that two that start together do not want the same ones
        for shard in free:
            if len(held) >= share:
                break
            if await self._take(shard):
                held.add(shard)
        if held != self.held:
            log.info("shards served", keeper=self.keeper, shards=sorted(held))
        self.held, self._renewed_s = held, began_s
        metrics.LEASES_HELD.set(len(held))

    async def close(self) -> None:
        """Give everything back, so that another one need not wait."""
        await send(
            alive_processes.report_stopped(keys.timekeepers(), self.keeper)
        )  # first: the others' share grows by it
        for shard in self.held:
            await send(store.release(shard, self.keeper))
        self.held = set()
        metrics.LEASES_HELD.set(0)

    async def _take(self, shard: int) -> bool:
        return await send(store.lease(shard, self.keeper, int(LEASE_S * 1000)))
