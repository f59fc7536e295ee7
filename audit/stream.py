"""The outbox of one shard, as its one reader sees it. All raise redis.RedisError when the store cannot serve.

There is one consumer with a fixed name, so whoever drains next finds what an earlier drain has read and not finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import ResponseError

from synckairos import keys, logs, metrics
from synckairos import redis as stores
from synckairos.outbox import FIELD

GROUP = "audit"
CONSUMER = "drain"
BATCH = 500
"""Entries in one command: the store serves nobody else while it works on one, about half a millisecond."""
TOGETHER = 2_000
"""Entries in one read, of as many commands: of many commits of a session only the newest has to be written."""
ENOUGH_BYTES = 4_000_000
"""A read ends early when it has this much; entries of large sessions have tens of kilobytes."""
FRESH = ">"
"""The position of what nobody has read."""
UNFINISHED = "0"
"""The position before all that has been read and not finished."""

log = logs.get(__name__)


class Received(Struct, frozen=True):
    """A stream entry; `fields` is empty when the entry itself is gone and only its delivery is on record."""

    entry_id: str
    fields: dict[bytes, bytes]

    @property
    def data(self) -> bytes:
        """The encoded outbox entry; empty when there is none."""
        return self.fields.get(FIELD, b"")


class Outbox:
    """Reads entries, and forgets those that are done with."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.key = keys.outbox(shard)
        self._client = stores.client()

    def read(self, position: str) -> tuple[list[Received], bool]:
        """The next entries: FRESH ones, or unfinished ones after an entry id (UNFINISHED: from the first); and whether
        these were all."""
        entries: list[Received] = []
        size = 0
        while len(entries) < TOGETHER and size < ENOUGH_BYTES:
            some = self._some(position)
            entries += some
            size += sum(len(entry.data) for entry in some)
            if len(some) < BATCH:
                return entries, True
            position = FRESH if position == FRESH else some[-1].entry_id
        return entries, False

    def _some(self, position: str) -> list[Received]:
        try:
            reply = self._reply(position)
        except ResponseError as refusal:
            # The first word of an error reply is its code.
            if not str(refusal).startswith("NOGROUP"):
                raise
            self._client.xgroup_create(self.key, GROUP, id="0", mkstream=True)
            reply = self._reply(position)
        return [Received(entry_id.decode(), fields or {}) for entry_id, fields in reply]

    def _reply(self, position: str) -> list[tuple[bytes, dict[bytes, bytes] | None]]:
        reply: Any = self._client.xreadgroup(GROUP, CONSUMER, {self.key: position}, count=BATCH)
        return reply[0][1] if reply else []

    def deliveries(self, entries: Sequence[Received]) -> dict[str, int]:
        """How often each entry has been read, by its id."""
        pipe = self._client.pipeline(transaction=False)
        for entry in entries:
            pipe.xpending_range(self.key, GROUP, entry.entry_id, entry.entry_id, 1)
        found = [row for rows in pipe.execute() for row in rows]
        return {row["message_id"].decode(): row["times_delivered"] for row in found}

    def finish(self, entries: Sequence[Received], dead: Mapping[str, Exception]) -> None:
        """Take entries off the stream; those in `dead` (by id) are set aside whole, with what is wrong."""
        for start in range(0, len(entries), BATCH):
            self._finish(entries[start : start + BATCH], dead)
        for entry_id, error in dead.items():
            metrics.AUDIT_DEAD.inc()
            log.error("outbox entry set aside", shard=self.shard, entry=entry_id, error=type(error).__name__)

    def _finish(self, entries: Sequence[Received], dead: Mapping[str, Exception]) -> None:
        ids = [entry.entry_id for entry in entries]
        pipe = self._client.pipeline(transaction=True)
        for entry in entries:
            if entry.entry_id in dead:
                label = {b"id": entry.entry_id.encode(), b"error": type(dead[entry.entry_id]).__name__.encode()}
                pipe.xadd(keys.outbox_dead(self.shard), entry.fields | label)
        pipe.xack(self.key, GROUP, *ids)
        pipe.xdel(self.key, *ids)
        pipe.execute()
