"""Leases of shards: one drain works on a shard at a time, and the drains of all workers share the shards equally.

Leases save work; correctness does not depend on them, since what is written twice changes nothing. All functions raise
redis.RedisError when the store cannot serve.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

from synckairos import ids
from synckairos.ops import alive_processes
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script, run_blocking_call

LEASE_S = 5.0
"""Time after which another drain may take the shard of one that died."""
RENEW_EVERY_S = 2.0
EXTEND_EVERY_S = 0.5
"""Age from which a lease is extended between two transactions."""

_LUA = Path(__file__).parent / "lua"
_TAKE = Script(_LUA / "drain_lease.lua", allow_oom=True)
_RELEASE = Script(_LUA / "drain_release.lua", allow_oom=True)


class LeaseLost(Exception):
    """Another drain holds the shard."""

    def __init__(self, shard: int) -> None:
        super().__init__(shard)
        self.shard = shard


class ShardLease:
    """The lease of one shard for a drain of this name."""

    def __init__(self, shard: int, drain: str) -> None:
        self.shard = shard
        self._drain = drain
        self._taken_s = float("-inf")

    def take(self) -> bool:
        """Take or extend the lease, and return true; return false if another drain holds it."""
        arguments = [self._drain, int(LEASE_S * 1000)]
        began_s = time.monotonic()
        is_taken = run_blocking_call(
            redis_client.blocking_client(), Call(_TAKE, [keys.drain_lease(self.shard)], arguments, bool)
        )
        self._taken_s = began_s if is_taken else float("-inf")
        return is_taken

    def extend(self) -> None:
        """Extend the lease, unless it was extended a moment ago. Raises LeaseLost."""
        if time.monotonic() >= self._taken_s + EXTEND_EVERY_S and not self.take():
            raise LeaseLost(self.shard)

    def release(self) -> None:
        """Give the shard back, if it is still held. The lease of a store that cannot serve expires by itself."""
        with suppress(*redis_client.ERRORS):
            run_blocking_call(
                redis_client.blocking_client(), Call(_RELEASE, [keys.drain_lease(self.shard)], [self._drain], bool)
            )


class ShardLeases:
    """The shards of one drain: an equal share of all shards."""

    def __init__(self) -> None:
        self.name = ids.new_request_id()
        self.held: dict[int, ShardLease] = {}
        self._renewed_s = float("-inf")

    @property
    def renewal_in_s(self) -> float:
        """Return the seconds until the next renewal."""
        return max(0.0, self._renewed_s + RENEW_EVERY_S - time.monotonic())

    def renew(self) -> None:
        """Renew the leases up to the fair share, release the others, and take free shards up to it."""
        began_s = time.monotonic()
        alive = run_blocking_call(
            redis_client.blocking_client(),
            alive_processes.report_alive(keys.drains(), self.name, int(LEASE_S * 1000)),
        )
        share = -(-len(keys.all_shards()) // max(1, len(alive)))
        kept = [lease for lease in self.held.values() if lease.take()]
        for lease in kept[share:]:
            lease.release()
        self.held = {lease.shard: lease for lease in kept[:share]}
        self._take_free(share)
        self._renewed_s = began_s

    def _take_free(self, share: int) -> None:
        others = [shard for shard in keys.all_shards() if shard not in self.held]
        random.shuffle(others)  # two that start together should not try the same ones
        for shard in others:
            if len(self.held) >= share:
                return
            lease = ShardLease(shard, self.name)
            if lease.take():
                self.held[shard] = lease

    def close(self) -> None:
        """Release all leases, so that other drains need not wait for their end."""
        with suppress(*redis_client.ERRORS):  # first: the others' share grows by it
            run_blocking_call(redis_client.blocking_client(), alive_processes.report_stopped(keys.drains(), self.name))
        for lease in self.held.values():
            lease.release()
        self.held = {}
        self._renewed_s = float("-inf")
