"""The instant up to which the audit is complete: all commits before it are written (docs/consistency.md)."""

from __future__ import annotations

from typing import Any

from redis.exceptions import RedisError

from audit import outbox_reader
from audit.outbox_reader import StreamEntry
from synckairos.engine.units import Instant
from synckairos.redis import client as redis_client
from synckairos.redis import keys


def complete_until() -> Instant | None:
    """Return the instant: now if no entry waits in an outbox, else that of the oldest one; None while the store cannot
    tell. Entries that were set aside for good do not count.

    Ask before the rows are read, since the drain may write more in between.
    """
    try:
        now_ms = outbox_reader.now_ms()
        return min([now_ms, *(instant for shard in keys.all_shards() for instant in _oldest_instants(shard))])
    except RedisError:
        return None


def _oldest_instants(shard: int) -> list[Instant]:
    """Return the instants of the first entries of the streams of a shard, in one round trip."""
    pipe = redis_client.blocking_client().pipeline(transaction=False)
    for stream in keys.undrained_outboxes(shard):
        pipe.xrange(stream, count=1)
    replies: Any = pipe.execute()
    first = [StreamEntry(entry_id.decode(), fields) for reply in replies for entry_id, fields in reply]
    return [int(entry.original_id.partition("-")[0]) for entry in first]
