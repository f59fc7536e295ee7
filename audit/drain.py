"""The drain: from the outbox streams to the database, at least once each and written once each.

An entry leaves its stream only after its rows are committed, or for a stream beside it (aside.py). What the database
refuses while it takes other entries is tried again later; a database that takes nothing is waited for. See
docs/consistency.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress

from django.db import Error as DatabaseFault
from msgspec import Struct
from redis.exceptions import LockError, RedisError, ResponseError

from audit import outbox_reader, retries, row_mapping
from audit.event_writer import RefusesAll, write_apart
from audit.failure_reasons import reason_of
from audit.outbox_reader import FIRST, Lease, Received
from audit.row_mapping import Commit
from synckairos import outbox
from synckairos.redis import client as stores
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

LEASE_S = 5.0
"""How long a drain that died keeps others away."""
WITHIN_S = 10.0
"""How long one drain works at most; then the next one goes on."""
ROWS_IN_ONE_TRANSACTION = 10_000

log = logs.get_logger(__name__)

_taken_ms: dict[int, float] = {}
"""When this process last wrote an entry of each shard, on the store's clock."""
_looked_at: dict[str, str] = {}
"""How far this process has looked at entries of newer releases: it does not learn to read them."""


class Source(Struct, frozen=True):
    """A stream that a drain takes entries from."""

    key: str
    until_ms: int | None = None
    """Only what came into it until this instant of the store's clock."""
    times: int = 0
    """How often its entries have been refused."""


def drain_all(within_s: float = WITHIN_S) -> bool:
    """Empty the outbox of every shard that nobody else is at, or stop after `within_s`.

    False when a store could not serve: it was logged, and what is left is for a later drain.
    """
    ends_at_s = time.monotonic() + within_s
    shards = list(keys.all_shards())
    random.shuffle(shards)  # one with a long backlog must not keep the same others waiting each time
    served = [_drained(shard, ends_at_s) for shard in shards]
    return all(served)


def _drained(shard: int, ends_at_s: float) -> bool:
    try:
        _drain(shard, ends_at_s)
    except LockError:
        log.warning("drain lost its lease", shard=shard)
    except RedisError as error:
        log.warning("drain interrupted: state store", shard=shard, error=type(error).__name__)
        return False
    except RefusesAll as refused:
        reason = reason_of(refused.__cause__ or refused)
        log.warning("drain interrupted: audit store refuses everything", shard=shard, reason=reason)
        return False
    except DatabaseFault as error:
        log.warning("drain interrupted: audit store", shard=shard, reason=reason_of(error))
        return False
    return True


def _drain(shard: int, ends_at_s: float) -> None:
    lease = Lease(stores.client(), keys.drain_lock(shard), timeout=LEASE_S, blocking=False)
    if not lease.acquire():
        return
    try:
        Turn(shard, lease, ends_at_s, outbox_reader.now_ms()).run()
    finally:
        with suppress(RedisError):  # it ends by itself
            lease.release()


class Turn:
    """One drain's turn at one shard."""

    def __init__(self, shard: int, lease: Lease, ends_at_s: float, now_ms: int) -> None:
        self.shard = shard
        self._lease = lease
        self._ends_at_s = ends_at_s
        self._now_ms = now_ms
        """The store's clock when the turn began."""

    def run(self) -> None:
        """Take what is new, then what is to be tried again, as far as it is there now.

        What comes meanwhile waits for the next drain: a transaction for each few entries would cost ten times as much,
        and take the processor from those who are waited for.
        """
        self._forget_group()
        for source in self._sources():
            for batch in self._batches(source):
                if not self._settle(source, batch):
                    return
                if source.key == keys.outbox_newer(self.shard):
                    _looked_at[source.key] = batch[-1].entry_id

    def _sources(self) -> Iterator[Source]:
        first, *beside = keys.outbox_waiting(self.shard)
        yield Source(first)
        if not stores.client().exists(*beside):
            return
        yield Source(keys.outbox_newer(self.shard))
        for times, after_ms in enumerate(retries.AGAIN_AFTER_MS, 1):
            yield Source(keys.outbox_refused(self.shard, times), self._now_ms - after_ms, times)

    def _forget_group(self) -> None:
        """Former releases read the outbox as a consumer group, whose record of unfinished entries takes room."""
        key = keys.outbox(self.shard)
        if key not in _looked_at:
            with suppress(ResponseError):  # there is no such stream
                stores.client().xgroup_destroy(key, "audit")
            _looked_at[key] = FIRST

    def _may_go_on(self) -> bool:
        """Whether there is time for more; the lease is good for as long again. Raises LockError when it was lost."""
        self._lease.reacquire()
        return time.monotonic() < self._ends_at_s

    def _batches(self, source: Source) -> Iterator[list[Received]]:
        position, is_all = _looked_at.get(source.key, FIRST), False
        while not is_all and self._may_go_on():
            batch, is_all = outbox_reader.read(source.key, position, source.until_ms)
            if batch:
                position = batch[-1].entry_id
                yield batch

    def _settle(self, source: Source, batch: list[Received]) -> bool:
        """Write a batch, and take off the stream what is written or cannot be; False when the time is over."""
        received = {entry.entry_id: entry for entry in batch}
        for portion in _portions(self._read(source, batch)):
            if not self._may_go_on():
                return False
            with metrics.AUDIT_SECONDS.time():
                apart = write_apart(portion, self._may_go_on)
            metrics.AUDIT_ROWS.inc(apart.written)
            unwritten = apart.failed.keys() | apart.left
            done = [received[commit.entry_id] for commit in portion if commit.entry_id not in unwritten]
            if done:
                outbox_reader.forget(source.key, done)
                _taken_ms[self.shard] = self._now_ms
            refused = [(received[entry_id], fault) for entry_id, fault in apart.failed.items()]
            retries.keep_for_later(self.shard, source.key, source.times, refused, _taken_ms.get(self.shard, 0))
            if apart.left:
                return False
        return True

    def _read(self, source: Source, batch: list[Received]) -> list[Commit]:
        """The commits of a batch; what is none for this release is put aside."""
        commits: list[Commit] = []
        newer: list[Received] = []
        dead: list[tuple[Received, Exception]] = []
        for entry in batch:
            try:
                commits.append(row_mapping.read(entry.entry_id, entry.data))
            except outbox.Newer:
                newer.append(entry)
            except row_mapping.UNREADABLE as error:
                dead.append((entry, error))
        retries.bury(self.shard, source.key, dead)
        if source.key != keys.outbox_newer(self.shard):
            retries.keep_for_newer(self.shard, source.key, newer)
        return commits


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
