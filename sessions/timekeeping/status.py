"""How the timekeepers stand: who lives, who serves which shard, what is overdue."""

from __future__ import annotations

from msgspec import Struct

from sessions.store import store
from sessions.store.calls import Steps, ask
from sessions.store.store import ShardStatus
from synckairos import keys
from synckairos.engine.units import Duration

BELIEVED_MS: Duration = 5_000
"""A timekeeper that was not seen for so long is taken for dead."""


class Status(Struct, frozen=True):
    """All timekeepers and all shards."""

    keepers: dict[str, Duration]
    """The living, with the time since each was seen."""
    shards: dict[int, ShardStatus]


def alive() -> Steps[dict[str, Duration]]:
    """The timekeepers that live. Raises ServiceUnavailable."""
    keepers = yield from ask(store.seen("", BELIEVED_MS, keys.keepers()))
    return keepers


def status() -> Steps[Status]:
    """How everything stands. Raises ServiceUnavailable."""
    keepers = yield from alive()
    shards: dict[int, ShardStatus] = {}
    for shard in keys.all_shards():
        shards[shard] = yield from ask(store.shard_status(shard))
    return Status(keepers, shards)
