"""The drain: it moves entries from the outbox streams to the database, and writes each exactly once.

Shards are read one by one (shard_drain.py) and written together: each transaction costs as much as fifty commits in it.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, islice

from django.db import Error as DatabaseFault

from audit.event_writer import DatabaseRefusesAll, write_isolating_faults
from audit.failure_reasons import reason_of
from audit.shard_drain import ShardDrain, log_store_fault
from audit.shard_leases import LeaseLost, ShardLease
from synckairos import ids
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

MAX_DURATION_S = 10.0
"""Longest duration of a drain of all shards; the next one continues."""
MAX_ROWS_PER_TRANSACTION = 10_000
_READ_AHEAD = 3
"""Number of shards whose first entries are read while others are written: about as many as one transaction takes."""

log = logs.get_logger(__name__)


def drain_all(max_duration_s: float = MAX_DURATION_S) -> bool:
    """Empty the outbox of every shard that no other drain has leased, or stop after `max_duration_s`.

    Returns false when a store could not serve: this was logged, and a later drain continues.
    """
    ends_s = time.monotonic() + max_duration_s
    name = ids.new_request_id()
    shards = list(keys.all_shards())
    random.shuffle(shards)  # so that a long backlog does not delay the same shards each time
    leases, succeeded = _Leases(name, shards), True
    try:
        for drain in drain_shards(leases, lambda: lambda: time.monotonic() < ends_s):
            leases.release(drain.lease)
            succeeded &= drain.succeeded
    finally:
        for lease in list(leases.held):
            leases.release(lease)
    return succeeded and not leases.has_fault


class _Leases:
    """The leases of those shards that no other drain has; each is taken when its drain begins."""

    def __init__(self, name: str, shards: Iterable[int]) -> None:
        self._name = name
        self._shards = shards
        self.held: list[ShardLease] = []
        self.has_fault = False
        """True if the store could not lease a shard."""

    def __iter__(self) -> Iterator[ShardLease]:
        for shard in self._shards:
            lease = ShardLease(shard, self._name)
            try:
                is_taken = lease.take()
            except redis_client.ERRORS as error:
                log_store_fault(shard, error)
                self.has_fault = True
                continue
            if is_taken:
                self.held.append(lease)
                yield lease

    def release(self, lease: ShardLease) -> None:
        self.held.remove(lease)
        lease.release()


def drain_shards(
    leases: Iterable[ShardLease], turn: Callable[[], Callable[[], bool]], *, is_only_new: bool = False
) -> Iterator[ShardDrain]:
    """Empty the outboxes of leased shards up to this instant, and yield the drain of each when it has ended.

    `turn` is called when a drain begins; the drain stops when the function that it returns gives false. With
    `is_only_new` entries that were set aside are not looked at, even if they are due for a retry.
    """
    with ThreadPoolExecutor(1, "drain-reader") as reader:
        coming = (
            ShardDrain(lease, reader, turn(), MAX_ROWS_PER_TRANSACTION, is_only_new=is_only_new) for lease in leases
        )
        following, drains = deque(islice(coming, _READ_AHEAD)), list[ShardDrain]()
        while True:
            while following and _row_count(drains) < MAX_ROWS_PER_TRANSACTION:
                drain = following.popleft()
                following.extend(islice(coming, 1))
                drain.advance(None)
                if drain.has_ended:
                    yield drain
                else:
                    drains.append(drain)
            if not drains:
                return
            together = _first_that_fit(drains)
            drains = drains[len(together) :]
            _write(together)
            for drain in together:
                if drain.has_ended:
                    yield drain
                else:
                    drains.append(drain)


def _row_count(drains: Iterable[ShardDrain]) -> int:
    return sum(drain.row_count for drain in drains)


def _first_that_fit(drains: list[ShardDrain]) -> list[ShardDrain]:
    """Return the first drains whose portions one transaction can hold; at least one."""
    rows = accumulate(drain.row_count for drain in drains)
    fitting = sum(1 for count in rows if count <= MAX_ROWS_PER_TRANSACTION)
    return drains[: max(1, fitting)]


def _write(drains: list[ShardDrain]) -> None:
    """Write the portions of these drains in one transaction, and let each drain go on or end."""
    commits = [commit for drain in drains for commit in drain.portion]
    try:
        with metrics.AUDIT_SECONDS.time():
            result = write_isolating_faults(commits, lambda: all(drain.extend_lease() for drain in drains))
    except LeaseLost as lost:  # the portions of the others are written again, which changes nothing
        for drain in drains:
            if drain.shard == lost.shard:
                drain.stop_without_lease()
    except redis_client.ERRORS as error:
        log_store_fault(None, error)
        _stop(drains)
    except DatabaseRefusesAll as refused:
        reason = reason_of(refused.__cause__ or refused)
        log.warning("drain interrupted: audit store refuses everything", reason=reason)
        _stop(drains)
    except DatabaseFault as error:
        log.warning("drain interrupted: audit store", reason=reason_of(error))
        _stop(drains)
    else:
        metrics.AUDIT_ROWS.inc(result.written)
        for drain in drains:
            drain.advance(result)


def _stop(drains: Iterable[ShardDrain]) -> None:
    for drain in drains:
        drain.stop()
