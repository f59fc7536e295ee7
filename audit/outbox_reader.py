"""Reads and moves in the outbox streams of one shard. All functions raise redis.RedisError when the store cannot serve.

Reads change nothing, and finished entries are deleted, so a drain keeps no record in the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from synckairos import outbox
from synckairos.outbox import FIELD
from synckairos.redis import client as redis_client
from synckairos.redis.scripts import Call, Script, run_blocking_call

COMMAND_SIZE = 500
"""Entries in one command: the store serves no other client for its duration, about half a millisecond."""
MAX_READ_ENTRIES = 2_000
"""Entries in one read, of several commands: of many commits of a session only the newest row is written."""
MAX_READ_BYTES = 4_000_000
"""Size after which a read ends early; entries of large sessions have tens of kilobytes."""
BEFORE_ALL = "0-0"
"""The position before all entries."""
_MOVE_SIZE = 50
"""Entries in one move, for the reason of COMMAND_SIZE."""

_LUA = Path(__file__).parent / "lua"
_MOVE = Script(_LUA / "move_entries.lua", allow_oom=True)


class StreamEntry(Struct, frozen=True):
    """An entry of a stream: the encoded outbox entry, and notes that were added when it was set aside."""

    entry_id: str
    fields: dict[bytes, bytes]

    @property
    def data(self) -> bytes:
        """Return the encoded outbox entry; empty when there is none."""
        return self.fields.get(FIELD, b"")

    @property
    def original_id(self) -> str:
        """Return its id in the outbox, before it was moved."""
        return self.note("id") or self.entry_id

    @property
    def session_id(self) -> UUID | None:
        """Return the session, if it can be decoded."""
        return outbox.session_of(self.data)

    @property
    def added_ms(self) -> int:
        """Return the instant at which it came into its stream, on the store's clock."""
        return int(self.entry_id.partition("-")[0])

    def note(self, name: str) -> str:
        """Return a note of the entry; empty when there is none."""
        return self.fields.get(name.encode(), b"").decode(errors="replace")


def now_ms() -> int:
    """Return the store's clock, of which ids of entries are made."""
    seconds, microseconds = redis_client.blocking_client().time()
    return int(seconds) * 1000 + int(microseconds) // 1000


class Stopwatch:
    """The time since it was made, which with `now_ms` gives the store's clock without another question."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    @property
    def elapsed_ms(self) -> float:
        """Return the milliseconds since it was made."""
        return (time.monotonic() - self._began_s) * 1000


def last_id(key: str) -> str | None:
    """Return the id of the newest entry of a stream; None for an empty one."""
    reply: Any = redis_client.blocking_client().xrevrange(key, count=1)
    return reply[0][0].decode() if reply else None


def read(key: str, position: str, until_ms: int | None = None) -> tuple[list[StreamEntry], bool]:
    """Return the entries of a stream after an id, up to an instant; and true if there are no more."""
    entries: list[StreamEntry] = []
    size = 0
    while len(entries) < MAX_READ_ENTRIES and size < MAX_READ_BYTES:
        some = read_range(key, position, COMMAND_SIZE, until_ms)
        entries += some
        size += sum(len(entry.data) for entry in some)
        if len(some) < COMMAND_SIZE:
            return entries, True
        position = some[-1].entry_id
    return entries, False


def read_range(key: str, position: str, count: int, until: str | int | None = None) -> list[StreamEntry]:
    """Return at most `count` of these; `until` is an instant, or the id of the last entry that may be among them."""
    reply: Any = redis_client.blocking_client().xrange(key, f"({position}", "+" if until is None else str(until), count)
    return [StreamEntry(entry_id.decode(), fields) for entry_id, fields in reply]


def delete(key: str, entries: Sequence[StreamEntry]) -> int:
    """Delete entries of a stream for good, and return how many existed."""
    ids = [entry.entry_id for entry in entries]
    client = redis_client.blocking_client()
    return sum(int(client.xdel(key, *ids[start : start + COMMAND_SIZE])) for start in range(0, len(ids), COMMAND_SIZE))


def move(key: str, to: str, entries: Iterable[tuple[StreamEntry, Mapping[str, str]]]) -> int:
    """Move entries, with notes added, to the end of another stream, and return how many existed."""
    moves = list(entries)
    moved = 0
    for start in range(0, len(moves), _MOVE_SIZE):
        arguments: list[Any] = []
        for entry, notes in moves[start : start + _MOVE_SIZE]:
            added = {name.encode(): value.encode() for name, value in notes.items()}
            fields = [item for pair in (entry.fields | added).items() for item in pair]
            arguments += [entry.entry_id, len(fields), *fields]
        moved += run_blocking_call(redis_client.blocking_client(), Call(_MOVE, [key, to], arguments, int))
    return moved
