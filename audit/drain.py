"""The drain: from the outbox streams to the database, at least once each and written once each.

An entry leaves its stream only after its rows are committed. See docs/consistency.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from django.db import Error as DatabaseFault
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from audit import rows
from audit.rows import Commit
from audit.stream import FRESH, UNFINISHED, Outbox, Received
from audit.writing import write_apart
from synckairos import keys, logs, metrics
from synckairos import redis as stores

LEASE_S = 5.0
"""How long a drain that died keeps others away."""
WITHIN_S = 10.0
"""How long one drain works at most; then the next one goes on."""
ROWS_IN_ONE_TRANSACTION = 10_000
TRIES = 3
"""An entry that the database refuses by itself is set aside on this delivery."""

log = logs.get(__name__)


def drain_all(within_s: float = WITHIN_S) -> None:
    """Empty the outbox of every shard that nobody else is at, or stop after `within_s`.

    With a store away it logs so, and leaves the rest to the next drain.
    """
    ends_at_s = time.monotonic() + within_s
    shards = list(keys.all_shards())
    random.shuffle(shards)  # one with a long backlog must not keep the same others waiting each time
    for shard in shards:
        try:
            _drain(shard, ends_at_s)
        except LockError:
            log.warning("drain lost its lease", shard=shard)
        except RedisError as error:
            log.warning("drain interrupted: state store", shard=shard, error=type(error).__name__)
        except DatabaseFault as error:
            log.warning("drain interrupted: audit store", shard=shard, error=type(error).__name__)


def _drain(shard: int, ends_at_s: float) -> None:
    lease = stores.client().lock(keys.drain_lock(shard), timeout=LEASE_S, blocking=False)
    if not lease.acquire():
        return
    turn = Turn(Outbox(shard), lease, ends_at_s)
    try:
        for batch in turn.batches():
            turn.settle(batch)
    finally:
        with suppress(RedisError):  # it ends by itself
            lease.release()


@dataclass(frozen=True)
class Turn:
    """One drain's turn at one shard."""

    outbox: Outbox
    lease: Lock
    ends_at_s: float

    def may_go_on(self) -> bool:
        """Whether there is time for more; the lease is good for as long again. Raises LockError when it was lost."""
        self.lease.reacquire()
        return time.monotonic() < self.ends_at_s

    def batches(self) -> Iterator[list[Received]]:
        """What earlier drains have left unfinished, then what is new, as far as it is there now.

        What comes meanwhile waits for the next drain: a transaction for each few entries would cost ten times as much,
        and take the processor from those who are waited for.
        """
        position = UNFINISHED
        while self.may_go_on():
            batch, is_all = self.outbox.read(position)
            if batch:
                yield batch
            if position == FRESH and is_all:
                return
            if is_all:
                position = FRESH
            elif position != FRESH:
                position = batch[-1].entry_id

    def settle(self, batch: list[Received]) -> None:
        """Write a batch, and take off the stream what is written or will never be."""
        commits, dead = _read(batch)
        waiting = {commit.entry_id for commit in commits}
        self.outbox.finish([entry for entry in batch if entry.entry_id not in waiting], dead)
        for portion in _portions(commits):
            if not self.may_go_on():
                return
            with metrics.AUDIT_SECONDS.time():
                written, failed = write_apart(portion)
            metrics.AUDIT_ROWS.inc(written)
            ids = {commit.entry_id for commit in portion}
            self._finish([entry for entry in batch if entry.entry_id in ids], failed)

    def _finish(self, entries: list[Received], failed: dict[str, Exception]) -> None:
        """Let go of entries; those that failed stay for the next drain, up to TRIES deliveries."""
        hopeless = self._hopeless([entry for entry in entries if entry.entry_id in failed])
        done = [entry for entry in entries if entry.entry_id not in failed or entry.entry_id in hopeless]
        self.outbox.finish(done, {entry_id: failed[entry_id] for entry_id in hopeless})

    def _hopeless(self, failed: list[Received]) -> set[str]:
        if not failed:
            return set()
        log.warning("audit store refused entries", shard=self.outbox.shard, entries=[e.entry_id for e in failed])
        deliveries = self.outbox.deliveries(failed)
        return {entry_id for entry_id, count in deliveries.items() if count >= TRIES}


def _read(batch: list[Received]) -> tuple[list[Commit], dict[str, Exception]]:
    """The commits of a batch, and what is wrong with the entries that are none, by entry id."""
    commits: list[Commit] = []
    dead: dict[str, Exception] = {}
    for entry in batch:
        if not entry.fields:
            log.error("outbox entry removed before the audit had it", entry=entry.entry_id)
            continue
        try:
            commits.append(rows.read(entry.entry_id, entry.data))
        except rows.UNREADABLE as error:
            dead[entry.entry_id] = error
    return commits, dead


def _portions(commits: list[Commit]) -> Iterator[list[Commit]]:
    """Commits in portions that one transaction can hold without running into its time limit."""
    portion: list[Commit] = []
    weight = 0
    for commit in commits:
        if portion and weight + commit.weight > ROWS_IN_ONE_TRANSACTION:
            yield portion
            portion, weight = [], 0
        portion.append(commit)
        weight += commit.weight
    if portion:
        yield portion
