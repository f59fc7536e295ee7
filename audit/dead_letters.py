"""Entries that the audit could not write, for staff: dead letters, and entries that are retried automatically."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from audit import outbox_reader
from audit.outbox_reader import BEFORE_ALL, StreamEntry
from synckairos.dead_letter_command import DeadLetter
from synckairos.instants import as_datetime
from synckairos.redis import client as redis_client
from synckairos.redis import keys

_PORTION = 200
_NOTES = (b"id", b"error", b"reason", b"session", b"tries")
"""Fields that the audit added to an entry when it was set aside; all others come from the outbox."""


def streams(shard: int, *, waiting: bool) -> Iterator[tuple[str, str]]:
    """Yield the streams of a shard, each with the state of its entries: `dead`, and with `waiting` also `refused` and
    `newer`."""
    yield keys.outbox_dead(shard), "dead"
    if waiting:
        _, newer, *refused = keys.undrained_outboxes(shard)
        yield newer, "newer"
        yield from ((key, "refused") for key in refused)


def find(*, waiting: bool) -> Iterator[DeadLetter]:
    """Yield all entries that exist now, by streams, the oldest first. Raises RedisError."""
    ends = [
        (shard, key, state, outbox_reader.last_id(key))
        for shard in keys.all_shards()
        for key, state in streams(shard, waiting=waiting)
    ]
    for shard, key, state, last in ends:
        if last is not None:
            position = BEFORE_ALL
            while letters := outbox_reader.read_range(key, position, _PORTION, last):
                yield from (_dead_letter(shard, key, state, entry) for entry in letters)
                position = letters[-1].entry_id


def _dead_letter(shard: int, key: str, state: str, entry: StreamEntry) -> DeadLetter:
    tries = entry.note("tries")
    return DeadLetter(
        name=f"{shard}/{entry.original_id}",
        state=state,
        session_id=entry.note("session") or str(entry.session_id or ""),
        since=as_datetime(entry.added_ms),
        reason=entry.note("reason") or entry.note("error") or ("of a newer release" if state == "newer" else "unknown"),
        tries=int(tries) if tries.isdigit() else 0,
        location=(shard, key, entry),
    )


def send_again(letters: Sequence[DeadLetter]) -> int:
    """Move entries to the end of the outbox without their notes, and return how many still existed."""
    moved = 0
    for (shard, key), entries in _by_stream(letters):
        whole = [
            StreamEntry(entry.entry_id, {name: value for name, value in entry.fields.items() if name not in _NOTES})
            for entry in entries
        ]
        moved += outbox_reader.move(key, keys.outbox(shard), [(entry, {}) for entry in whole])
    return moved


def delete(letters: Sequence[DeadLetter]) -> int:
    """Delete entries for good, and return how many still existed."""
    return sum(outbox_reader.delete(key, entries) for (_, key), entries in _by_stream(letters))


def _by_stream(letters: Sequence[DeadLetter]) -> Iterator[tuple[tuple[int, str], list[StreamEntry]]]:
    for stream, group in groupby(letters, key=lambda letter: letter.location[:2]):
        yield stream, [letter.location[2] for letter in group]


def count_by_state() -> dict[str, int]:
    """Return the number of entries of each state. Raises RedisError."""
    counts: dict[str, int] = {"dead": 0, "refused": 0, "newer": 0}
    for shard in keys.all_shards():
        for key, state in streams(shard, waiting=True):
            counts[state] += int(redis_client.blocking_client().xlen(key))
    return counts
