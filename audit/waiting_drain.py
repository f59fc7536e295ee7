"""The drain that waits: a row can be read some milliseconds after its commit, and a store without commits costs little.

Each process has one (drain_pace.py). It holds the leases of its share of the shards, waits until the outbox of one of
them has an entry, and writes what is there. After a write it lets entries gather for a moment: a transaction for every
few entries costs ten times as much for each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from audit.drain import drain_shards
from audit.outbox_watch import OutboxWatch
from audit.shard_drain import log_store_fault
from audit.shard_leases import ShardLeases
from audit.stop_request import StopRequest
from synckairos.redis import client as redis_client

GATHER_S = 0.05
"""Shortest time from the beginning of one write to that of the next."""
MAX_GATHER_S = 2.0
_GATHER_PER_ENTRY_S = 0.001
"""Time to gather for each entry of the last write: more than a thousand entries a second are written every two seconds,
since each transaction writes the index pages of all its sessions again."""
_TURN_S = 2.0
"""Longest turn of one shard while others have entries too."""


class WaitingDrain:
    """The drain of one process. It runs in one thread at a time."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._leases = ShardLeases()
        self._watch = OutboxWatch(stop)
        self._next_write_s = float("-inf")

    def run(self, duration_s: float) -> bool:
        """Write what comes, for this time or until the stop is requested.

        Returns false when a store could not serve: this was logged, and the leases were given back. Otherwise they are
        kept for the next run; when there is none, they expire.
        """
        succeeded = False
        try:
            succeeded = self._run(time.monotonic() + duration_s)
        except redis_client.ERRORS as error:
            log_store_fault(None, error)
        finally:
            if not succeeded or self._stop.is_made():
                self._watch.close()
                self._leases.close()
        return succeeded

    def _run(self, ends_s: float) -> bool:
        while not self._stop.is_made() and (left_s := ends_s - time.monotonic()) > 0:
            is_only_new = bool(self._leases.renewal_in_s)
            if not is_only_new:  # entries that are due for a retry wake nobody
                self._leases.renew()
                ready = list(self._leases.held)
            else:
                ready = self._watch.wait(self._leases.held, min(left_s, self._leases.renewal_in_s))
                if ready and self._stop.wait(self._next_write_s - time.monotonic()):
                    break
            if not self._write(ready, ends_s, is_only_new=is_only_new):
                return False
        return True

    def _write(self, shards: list[int], ends_s: float, *, is_only_new: bool) -> bool:
        began_s, entries = time.monotonic(), 0
        random.shuffle(shards)  # so that a long backlog does not delay the same shards each time
        leases = [self._leases.held[shard] for shard in shards]
        for drain in drain_shards(leases, lambda: self._turn(ends_s), is_only_new=is_only_new):
            if not drain.succeeded:
                return False
            entries += drain.entries
            if not drain.has_lease:
                del self._leases.held[drain.shard]
            if not self._leases.renewal_in_s:
                break
        if entries or is_only_new:  # after nothing too: a question that fails at once must not be asked again at once
            self._next_write_s = began_s + min(MAX_GATHER_S, max(GATHER_S, entries * _GATHER_PER_ENTRY_S))
        return True

    def _turn(self, ends_s: float) -> Callable[[], bool]:
        """Return the function that says whether the turn of a shard goes on."""
        turn_ends_s = min(ends_s, time.monotonic() + _TURN_S)
        return lambda: time.monotonic() < turn_ends_s and not self._stop.is_made()
