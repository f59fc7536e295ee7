"""What the audit could not write, as staff look at it: dead letters, and entries that are tried again by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from audit import outbox_reader
from audit.outbox_reader import FIRST, Received
from synckairos.dead_letter_command import DeadLetter
from synckairos.instants import as_datetime
from synckairos.redis import client as stores
from synckairos.redis import keys

_PORTION = 200
_NOTES = (b"id", b"error", b"reason", b"session", b"tries")
"""What stands beside an entry that was put aside; all else it had in the outbox."""


def streams(shard: int, *, waiting: bool) -> Iterator[tuple[str, str]]:
    """The streams of a shard, each with what its entries are: `dead`, and with `waiting` `refused` and `newer`."""
    yield keys.outbox_dead(shard), "dead"
    if waiting:
        _, newer, *refused = keys.outbox_waiting(shard)
        yield newer, "newer"
        yield from ((key, "refused") for key in refused)


def found(*, waiting: bool) -> Iterator[DeadLetter]:
    """All of them that are there now, by streams, the oldest first. Raises RedisError."""
    ends = [
        (shard, key, state, outbox_reader.last_id(key))
        for shard in keys.all_shards()
        for key, state in streams(shard, waiting=waiting)
    ]
    for shard, key, state, last in ends:
        if last is not None:
            position = FIRST
            while some := outbox_reader.portion(key, position, _PORTION, last):
                yield from (_aside(shard, key, state, entry) for entry in some)
                position = some[-1].entry_id


def _aside(shard: int, key: str, state: str, entry: Received) -> DeadLetter:
    tries = entry.text("tries")
    return DeadLetter(
        name=f"{shard}/{entry.first_id}",
        state=state,
        session_id=entry.text("session") or str(entry.session_id or ""),
        since=as_datetime(entry.at_ms),
        reason=entry.text("reason") or entry.text("error") or ("of a newer release" if state == "newer" else "unknown"),
        tries=int(tries) if tries.isdigit() else 0,
        location=(shard, key, entry),
    )


def send_again(some: Sequence[DeadLetter]) -> int:
    """Put entries at the end of the outbox, as they were in it; gives how many were still there."""
    moved = 0
    for (shard, key), entries in _together(some):
        whole = [
            Received(entry.entry_id, {name: value for name, value in entry.fields.items() if name not in _NOTES})
            for entry in entries
        ]
        moved += outbox_reader.move(key, keys.outbox(shard), [(entry, {}) for entry in whole])
    return moved


def delete(some: Sequence[DeadLetter]) -> int:
    """Forget entries for good; gives how many were still there."""
    return sum(outbox_reader.forget(key, entries) for (_, key), entries in _together(some))


def _together(some: Sequence[DeadLetter]) -> Iterator[tuple[tuple[int, str], list[Received]]]:
    for place, together in groupby(some, key=lambda aside: aside.location[:2]):
        yield place, [aside.location[2] for aside in together]


def waiting_now() -> dict[str, int]:
    """How many there are of each state. Raises RedisError."""
    counts: dict[str, int] = {"dead": 0, "refused": 0, "newer": 0}
    for shard in keys.all_shards():
        for key, state in streams(shard, waiting=True):
            counts[state] += int(stores.client().xlen(key))
    return counts
