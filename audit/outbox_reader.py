"""The streams of one shard's outbox, as their reader sees them. All raise redis.RedisError when the store cannot serve.

Reading changes nothing, and what is done with is deleted, so a drain needs no memory of the store and whoever drains
next finds what an earlier drain has left. Entries that cannot be written now are moved, whole, to streams beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct
from redis.lock import Lock

from synckairos import outbox
from synckairos.outbox import FIELD
from synckairos.redis import client as stores

BATCH = 500
"""Entries in one command: the store serves nobody else while it works on one, about half a millisecond."""
TOGETHER = 2_000
"""Entries in one read, of as many commands: of many commits of a session only the newest has to be written."""
ENOUGH_BYTES = 4_000_000
"""A read ends early when it has this much; entries of large sessions have tens of kilobytes."""
FIRST = "0-0"
"""The position before all entries."""
_MOVED_TOGETHER = 50
"""Entries in one move, for the same reason as BATCH."""

_LUA = Path(__file__).parent / "lua"
_LEASE = (_LUA / "lease.lua").read_text()
_MOVE = (_LUA / "move.lua").read_text()


class Received(Struct, frozen=True):
    """A stream entry."""

    entry_id: str
    fields: dict[bytes, bytes]

    @property
    def data(self) -> bytes:
        """The encoded outbox entry; empty when there is none."""
        return self.fields.get(FIELD, b"")

    @property
    def first_id(self) -> str:
        """Its id in the outbox, before it was moved."""
        return self.text("id") or self.entry_id

    @property
    def session_id(self) -> UUID | None:
        """Whose it is, as far as it can be read."""
        return outbox.session_of(self.data)

    @property
    def at_ms(self) -> int:
        """When it came into its stream, on the store's clock."""
        return int(self.entry_id.partition("-")[0])

    def text(self, name: str) -> str:
        """What was noted beside it; empty when nothing was."""
        return self.fields.get(name.encode(), b"").decode(errors="replace")


class Lease(Lock):
    """The lease of a shard's drain. It can be had on a full store."""

    def do_acquire(self, token: str) -> bool:
        """Take it, if it is free."""
        length_ms = int(float(self.timeout or 0) * 1000)
        return bool(self.redis.eval(_LEASE, 1, self.name, token, length_ms))


def now_ms() -> int:
    """The store's clock, which the ids of entries are made of."""
    seconds, microseconds = stores.client().time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def last_id(key: str) -> str | None:
    """The id of the newest entry of a stream; None when it has none."""
    reply: Any = stores.client().xrevrange(key, count=1)
    return reply[0][0].decode() if reply else None


def read(key: str, position: str, until_ms: int | None = None) -> tuple[list[Received], bool]:
    """The entries of a stream after an id, those that came until an instant; and whether these were all."""
    entries: list[Received] = []
    size = 0
    while len(entries) < TOGETHER and size < ENOUGH_BYTES:
        some = portion(key, position, BATCH, until_ms)
        entries += some
        size += sum(len(entry.data) for entry in some)
        if len(some) < BATCH:
            return entries, True
        position = some[-1].entry_id
    return entries, False


def portion(key: str, position: str, count: int, until: str | int | None = None) -> list[Received]:
    """At most so many of these; `until` is an instant, or the id of an entry that may be among them."""
    reply: Any = stores.client().xrange(key, f"({position}", "+" if until is None else str(until), count)
    return [Received(entry_id.decode(), fields) for entry_id, fields in reply]


def forget(key: str, entries: Sequence[Received]) -> int:
    """Take entries off a stream for good; gives how many were there."""
    ids = [entry.entry_id for entry in entries]
    client = stores.client()
    return sum(int(client.xdel(key, *ids[start : start + BATCH])) for start in range(0, len(ids), BATCH))


def move(key: str, to: str, entries: Iterable[tuple[Received, Mapping[str, str]]]) -> int:
    """Take entries off a stream and put them, with notes beside them, at the end of another; gives how many."""
    moves = list(entries)
    moved = 0
    for start in range(0, len(moves), _MOVED_TOGETHER):
        arguments: list[Any] = []
        for entry, notes in moves[start : start + _MOVED_TOGETHER]:
            fields = [item for pair in (entry.fields | _encoded(notes)).items() for item in pair]
            arguments += [entry.entry_id, len(fields), *fields]
        moved += int(stores.client().eval(_MOVE, 2, key, to, *arguments))
    return moved


def _encoded(notes: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in notes.items()}
