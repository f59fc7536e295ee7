"""How the timekeepers stand: who lives, who serves which shard, what is overdue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from synckairos.engine.units import Duration
from synckairos.ops.alive_processes import seen
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Call, Script

BELIEVED_MS: Duration = 5_000
"""A timekeeper that was not seen for so long is taken for dead."""


_FOLDER = Path(__file__).parent / "lua"
_STATUS = Script(_FOLDER / "status.lua")


class ShardStatus(Struct, frozen=True):
    """How one shard's deadlines stand."""

    holder: str | None
    """The timekeeper that serves it."""
    deadlines: int
    overdue: int
    set_aside: int
    longest_overdue_ms: Duration


class Status(Struct, frozen=True):
    """All timekeepers and all shards."""

    keepers: dict[str, Duration]
    """The living, with the time since each was seen."""
    shards: dict[int, ShardStatus]


def alive() -> Procedure[dict[str, Duration]]:
    """The timekeepers that live. Raises ServiceUnavailable."""
    keepers = yield from perform(seen("", BELIEVED_MS, keys.keepers()))
    return keepers


def status() -> Procedure[Status]:
    """How everything stands. Raises ServiceUnavailable."""
    keepers = yield from alive()
    shards: dict[int, ShardStatus] = {}
    for shard in keys.all_shards():
        shards[shard] = yield from perform(shard_status(shard))
    return Status(keepers, shards)


def shard_status(shard: int) -> Call[ShardStatus]:
    """How a shard's deadlines stand."""
    names = [keys.lease(shard), keys.deadlines(shard), keys.set_aside(shard)]
    return Call(_STATUS, names, [], _parse_status)


def _parse_status(reply: list[Any]) -> ShardStatus:
    holder = None if reply[0] is None else reply[0].decode()
    return ShardStatus(holder, *map(int, reply[1:]))
