"""The drain: it moves entries from the outbox streams to the database, and writes each exactly once.

An entry leaves its stream only when its rows are committed, or when it moves to another stream (retries.py): see
docs/consistency.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from django.db import Error as DatabaseFault
from msgspec import Struct
from redis.exceptions import ResponseError

from audit import outbox_reader, retries
from audit.batches import Batch, read_batches
from audit.event_writer import DatabaseRefusesAll, write_isolating_faults
from audit.failure_reasons import reason_of
from audit.outbox_reader import BEFORE_ALL, Stopwatch
from audit.row_mapping import Commit
from audit.shard_leases import LeaseLost, ShardLease
from synckairos import ids
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

MAX_DURATION_S = 10.0
"""Longest duration of a drain of all shards; the next one continues."""
MAX_ROWS_PER_TRANSACTION = 10_000

log = logs.get_logger(__name__)

_last_write_ms: dict[int, float] = {}
"""Instant at which this process last wrote an entry of each shard, on the store's clock."""
_read_up_to: dict[str, str] = {}
"""Position up to which this process has read entries of newer releases, which it can never decode."""


class Source(Struct, frozen=True):
    """A stream that a drain takes entries from."""

    key: str
    until_ms: int | None = None
    """Limit on the instant at which entries came into the stream, on the store's clock."""
    refusals: int = 0
    """Number of times that the database has refused these entries."""


def drain_all(max_duration_s: float = MAX_DURATION_S) -> bool:
    """Empty the outbox of every shard that no other drain has leased, or stop after `max_duration_s`.

    Returns false when a store could not serve: this was logged, and a later drain continues.
    """
    ends_s = time.monotonic() + max_duration_s
    name = ids.new_request_id()
    shards = list(keys.all_shards())
    random.shuffle(shards)  # so that a long backlog does not delay the same shards each time
    succeeded = [_drain_once(ShardLease(shard, name), ends_s) for shard in shards]
    return all(succeeded)


def _drain_once(lease: ShardLease, ends_s: float) -> bool:
    try:
        if not lease.take():
            return True
    except redis_client.ERRORS as error:
        log_store_fault(lease.shard, error)
        return False
    try:
        return drain_shard(lease, lambda: time.monotonic() < ends_s).succeeded
    finally:
        lease.release()


class Drained(Struct, frozen=True):
    """The result of a drain of one shard."""

    succeeded: bool
    """False when a store could not serve: this was logged, and a later drain continues."""
    entries: int = 0
    """Number of entries that were written and deleted."""
    has_lease: bool = True
    """False when another drain has taken the shard."""


def drain_shard(lease: ShardLease, may_continue: Callable[[], bool], *, is_only_new: bool = False) -> Drained:
    """Empty the outbox of a leased shard up to this instant, or stop when `may_continue` returns false.

    With `is_only_new` entries that were set aside are not looked at, even if they are due for a retry.
    """
    drain = ShardDrain(lease, may_continue)
    try:
        drain.run(is_only_new=is_only_new)
    except LeaseLost:
        log.warning("drain lost its lease", shard=lease.shard)
        return Drained(succeeded=True, has_lease=False)
    except redis_client.ERRORS as error:
        log_store_fault(lease.shard, error)
        return Drained(succeeded=False)
    except DatabaseRefusesAll as refused:
        reason = reason_of(refused.__cause__ or refused)
        log.warning("drain interrupted: audit store refuses everything", shard=lease.shard, reason=reason)
        return Drained(succeeded=False)
    except DatabaseFault as error:
        log.warning("drain interrupted: audit store", shard=lease.shard, reason=reason_of(error))
        return Drained(succeeded=False)
    return Drained(succeeded=True, entries=drain.entries)


def log_store_fault(shard: int | None, error: Exception) -> None:
    """Log that the state store could not serve a drain."""
    log.warning("drain interrupted: state store", shard=shard, error=type(error).__name__)


class ShardDrain:
    """One drain of one shard."""

    def __init__(self, lease: ShardLease, may_continue: Callable[[], bool]) -> None:
        self.shard = lease.shard
        self.entries = 0
        """Number of entries that were written and deleted."""
        self._lease = lease
        self._may_continue = may_continue
        self._now_ms = 0
        """The store's clock when the drain began."""

    def run(self, *, is_only_new: bool) -> None:
        """Write the new entries, then those due for a retry, up to the instant at which this drain began.

        Later entries wait for the next drain: a transaction for every few entries costs ten times as much, and takes
        the processor from requests.
        """
        self._now_ms = outbox_reader.now_ms()
        self._began = Stopwatch()
        self._delete_legacy_group()
        for source in self._sources(is_only_new):
            position = _read_up_to.get(source.key, BEFORE_ALL)
            for batch in read_batches(source.key, position, source.until_ms, self._extend_lease):
                if not self._write_batch(source, batch):
                    return
                if source.key == keys.outbox_newer(self.shard):
                    _read_up_to[source.key] = batch.last_id

    def _sources(self, is_only_new: bool) -> Iterator[Source]:
        first, *deferred = keys.undrained_outboxes(self.shard)
        yield Source(first)
        if is_only_new or not redis_client.blocking_client().exists(*deferred):
            return
        yield Source(keys.outbox_newer(self.shard))
        for refusals, after_ms in enumerate(retries.RETRY_DELAYS_MS, 1):
            yield Source(keys.outbox_refused(self.shard, refusals), self._now_ms - after_ms, refusals)

    def _delete_legacy_group(self) -> None:
        """Delete the consumer group of former releases, whose record of unfinished entries takes memory."""
        key = keys.outbox(self.shard)
        if key not in _read_up_to:
            with suppress(ResponseError):  # the stream does not exist
                redis_client.blocking_client().xgroup_destroy(key, "audit")
            _read_up_to[key] = BEFORE_ALL

    def _extend_lease(self) -> bool:
        """Extend the lease, and return true while there is time for more. Raises LeaseLost."""
        self._lease.extend()
        return self._may_continue()

    def _write_batch(self, source: Source, batch: Batch) -> bool:
        """Write a batch, and remove from the stream what is written or never can be. Returns false when the time is
        over."""
        received = batch.entries
        retries.add_dead_letters(self.shard, source.key, batch.unreadable)
        if source.key != keys.outbox_newer(self.shard):
            retries.defer_to_newer_release(self.shard, source.key, batch.newer)
        for portion in _transactions(batch.commits):
            if not self._extend_lease():
                return False
            with metrics.AUDIT_SECONDS.time():
                result = write_isolating_faults(portion, self._extend_lease)
            metrics.AUDIT_ROWS.inc(result.written)
            unwritten = result.failed.keys() | result.skipped
            done = [received[commit.entry_id] for commit in portion if commit.entry_id not in unwritten]
            if done:
                self._observe_delay(source, done[0].added_ms)
                outbox_reader.delete(source.key, done)
                self.entries += len(done)
                _last_write_ms[self.shard] = self._now_ms
            refused = [(received[entry_id], fault) for entry_id, fault in result.failed.items()]
            retries.schedule_retries(
                self.shard, source.key, source.refusals, refused, _last_write_ms.get(self.shard, 0)
            )
            if result.skipped:
                return False
        return True

    def _observe_delay(self, source: Source, since_ms: int) -> None:
        if not source.refusals:  # the delay of a retry is one on purpose
            now_ms = self._now_ms + self._began.elapsed_ms
            metrics.AUDIT_DELAY_SECONDS.observe(max(0.0, now_ms - since_ms) / 1000)


def _transactions(commits: list[Commit]) -> Iterator[list[Commit]]:
    """Yield commits in portions that one transaction can hold within its time limit."""
    portion: list[Commit] = []
    row_count = 0
    for commit in commits:
        if portion and row_count + commit.row_count > MAX_ROWS_PER_TRANSACTION:
            yield portion
            portion, row_count = [], 0
        portion.append(commit)
        row_count += commit.row_count
    if portion:
        yield portion
