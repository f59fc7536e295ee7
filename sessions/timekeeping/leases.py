"""Leases of shards: each shard has one timekeeper; a dead holder loses it within two seconds.

Leases save work; correctness does not depend on them, because the commit script compares versions.
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
"""Length of a lease; a holder that does not renew for so long loses its shards."""
RENEW_EVERY_S = 0.5


class Leases:
    """The shards of one timekeeper: an equal share of all shards."""

    def __init__(self) -> None:
        self.keeper = ids.new_request_id()
        self.held: set[int] = set()
        self._renewed_s = float("-inf")

    @property
    def renewal_in_s(self) -> float:
        """Return the seconds until the next renewal."""
        return max(0.0, self._renewed_s + RENEW_EVERY_S - time.monotonic())

    async def renew(self) -> None:
        """Renew the leases up to the fair share, release the others, and acquire free shards up to it."""
        began_s = time.monotonic()
        alive = await send(alive_processes.report_alive(keys.timekeepers(), self.keeper, int(LEASE_S * 1000)))
        share = -(-len(keys.all_shards()) // max(1, len(alive)))
        held = {shard for shard in self.held if await self._take(shard)}
        for shard in sorted(held)[share:]:
            await send(store.release_lease(shard, self.keeper))
            held.discard(shard)
        free = [shard for shard in keys.all_shards() if shard not in held]
        random.shuffle(free)  # two that start together should not try the same ones
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
        """Release all leases, so that other timekeepers need not wait for their end."""
        await send(
            alive_processes.report_stopped(keys.timekeepers(), self.keeper)
        )  # first: the others' share grows by it
        for shard in self.held:
            await send(store.release_lease(shard, self.keeper))
        self.held = set()
        metrics.LEASES_HELD.set(0)

    async def _take(self, shard: int) -> bool:
        return await send(store.acquire_lease(shard, self.keeper, int(LEASE_S * 1000)))
