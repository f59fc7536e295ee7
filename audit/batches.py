"""Batches of one stream, read and converted to rows. The next batch is read while the database writes the last one.

All functions raise redis.RedisError when the store cannot serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

from msgspec import Struct

from audit import outbox_reader, row_mapping
from audit.outbox_reader import StreamEntry
from audit.row_mapping import Commit
from synckairos import outbox


class Batch(Struct, frozen=True):
    """Entries of a stream, and what they say."""

    entries: dict[str, StreamEntry]
    """The entries by id, the oldest first."""
    commits: list[Commit]
    newer: list[StreamEntry]
    """Entries of a newer release."""
    unreadable: list[tuple[StreamEntry, Exception]]
    """Entries that can never be written, each with its error."""
    is_last: bool
    """True if there were no more entries."""

    @property
    def last_id(self) -> str:
        """Return the id of the newest entry."""
        return next(reversed(self.entries))


def read_batches(
    first: Future[Batch], reader: Executor, key: str, until_ms: int | None, may_continue: Callable[[], bool]
) -> Iterator[Batch]:
    """Yield a batch of a stream and those after it, up to an instant, as long as `may_continue` returns true."""
    ahead = first
    while may_continue():
        batch = ahead.result()
        if not batch.entries:
            return
        if batch.is_last:
            yield batch
            return
        ahead = reader.submit(read, key, batch.last_id, until_ms)
        yield batch


def read(key: str, position: str, until_ms: int | None) -> Batch:
    """Return the first batch of a stream after an id, up to an instant."""
    entries, is_last = outbox_reader.read(key, position, until_ms)
    commits: list[Commit] = []
    newer: list[StreamEntry] = []
    unreadable: list[tuple[StreamEntry, Exception]] = []
    for entry in entries:
        try:
            commits.append(row_mapping.read_commit(entry.entry_id, entry.data))
        except outbox.Newer:
            newer.append(entry)
        except row_mapping.UNREADABLE as error:
            unreadable.append((entry, error))
    return Batch({entry.entry_id: entry for entry in entries}, commits, newer, unreadable, is_last)
