"""The drain of one shard: it reads entries from the outbox streams, and removes those whose rows are committed.

It is driven from outside (drain.py), which writes the portions of several shards in one transaction. An entry leaves
its stream only when its rows are committed, or when it moves to another stream (retries.py): see docs/consistency.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any, TypeAlias

from msgspec import Struct
from redis.exceptions import ResponseError

from audit import batches, outbox_reader, retries
from audit.batches import Batch, read_batches
from audit.event_writer import WriteResult
from audit.outbox_reader import BEFORE_ALL, Stopwatch
from audit.row_mapping import Commit
from audit.shard_leases import LeaseLost, ShardLease
from synckairos.portions import portions
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.telemetry import logs, metrics

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


Steps: TypeAlias = Generator[list[Commit], Any, None]
"""The portions that a drain has written. It gets the result (`WriteResult`) of the write of each."""


def log_store_fault(shard: int | None, error: Exception) -> None:
    """Log that the state store could not serve a drain."""
    log.warning("drain interrupted: state store", shard=shard, error=type(error).__name__)


class ShardDrain:
    """One drain of one shard. `advance` reads until there is a portion to write; the next call takes the result."""

    def __init__(
        self, lease: ShardLease, reader: Executor, may_continue: Callable[[], bool], max_rows: int, *, is_only_new: bool
    ) -> None:
        """The first entries are read at once by the `reader`, a thread that reads while another one writes."""
        self.lease = lease
        self.shard = lease.shard
        self.portion: list[Commit] = []
        """The commits to write next, in one transaction."""
        self.row_count = 0
        """Number of rows of the portion."""
        self.has_ended = False
        self.succeeded = True
        """False when a store could not serve: this was logged, and a later drain continues."""
        self.has_lease = True
        """False when another drain has taken the shard."""
        self.entries = 0
        """Number of entries that were written and deleted."""
        self._reader = reader
        self._may_continue = may_continue
        self._max_rows = max_rows
        self._now_ms = 0
        """The store's clock when the drain began."""
        first, *self._deferred = keys.undrained_outboxes(lease.shard)
        self._first = self._begin(Source(first))
        self._steps = self._run(is_only_new=is_only_new)

    def advance(self, written: WriteResult | None) -> None:
        """Remove what was written of the portion, and read the next one, or end; the first call has no result."""
        try:
            self.portion = self._steps.send(written)
        except StopIteration:
            self.has_ended = True
        except LeaseLost:
            self.stop_without_lease()
        except redis_client.ERRORS as error:
            log_store_fault(self.shard, error)
            self.stop()
        else:
            self.row_count = sum(commit.row_count for commit in self.portion)

    def stop(self) -> None:
        """End the drain because a store cannot serve."""
        self._steps.close()
        self.has_ended, self.succeeded = True, False

    def stop_without_lease(self) -> None:
        """End the drain because another one has the shard."""
        self._steps.close()
        log.warning("drain lost its lease", shard=self.shard)
        self.has_ended, self.has_lease = True, False

    def extend_lease(self) -> bool:
        """Extend the lease, and return true while there is time for more. Raises LeaseLost."""
        self.lease.extend()
        return self._may_continue()

    def _run(self, *, is_only_new: bool) -> Steps:
        """Read the new entries, then those due for a retry, up to the instant at which this drain began.

        Later entries wait for the next drain: a transaction for every few entries costs ten times as much, and takes
        the processor from requests.
        """
        self._now_ms = outbox_reader.now_ms()
        self._began = Stopwatch()
        self._delete_legacy_group()
        for source, first in self._sources(is_only_new):
            for batch in read_batches(first, self._reader, source.key, source.until_ms, self.extend_lease):
                if not (yield from self._write_batch(source, batch)):
                    return
                if source.key == keys.outbox_newer(self.shard):
                    _read_up_to[source.key] = batch.last_id

    def _sources(self, is_only_new: bool) -> Iterator[tuple[Source, Future[Batch]]]:
        """Yield the streams, each with its first batch."""
        yield Source(keys.outbox(self.shard)), self._first
        if is_only_new or not redis_client.blocking_client().exists(*self._deferred):
            return
        newer = Source(keys.outbox_newer(self.shard))
        yield newer, self._begin(newer)
        for refusals, after_ms in enumerate(retries.RETRY_DELAYS_MS, 1):
            source = Source(keys.outbox_refused(self.shard, refusals), self._now_ms - after_ms, refusals)
            yield source, self._begin(source)

    def _begin(self, source: Source) -> Future[Batch]:
        """Begin to read a stream."""
        return self._reader.submit(batches.read, source.key, _read_up_to.get(source.key, BEFORE_ALL), source.until_ms)

    def _delete_legacy_group(self) -> None:
        """Delete the consumer group of former releases, whose record of unfinished entries takes memory."""
        key = keys.outbox(self.shard)
        if key not in _read_up_to:
            with suppress(ResponseError):  # the stream does not exist
                redis_client.blocking_client().xgroup_destroy(key, "audit")
            _read_up_to[key] = BEFORE_ALL

    def _write_batch(self, source: Source, batch: Batch) -> Generator[list[Commit], WriteResult, bool]:
        """Have a batch written, and remove from the stream what is written or never can be. Returns false when the time
        is over."""
        received = batch.entries
        retries.add_dead_letters(self.shard, source.key, batch.unreadable)
        if source.key != keys.outbox_newer(self.shard):
            retries.defer_to_newer_release(self.shard, source.key, batch.newer)
        for portion in portions(batch.commits, self._max_rows, lambda commit: commit.row_count):
            if not self.extend_lease():
                return False
            result = (yield portion).of(portion)
            unwritten = {commit.entry_id for commit, _ in result.failed} | {one.entry_id for one in result.skipped}
            done = [received[commit.entry_id] for commit in portion if commit.entry_id not in unwritten]
            if done:
                self._observe_delay(source, done[0].added_ms)
                outbox_reader.delete(source.key, done)
                self.entries += len(done)
                _last_write_ms[self.shard] = self._now_ms
            refused = [(received[commit.entry_id], fault) for commit, fault in result.failed]
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
