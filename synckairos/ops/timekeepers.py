"""How the timekeepers stand: who lives, who serves which shard, what is overdue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from synckairos.engine.units import Duration
from synckairos.ops.alive_processes import list_alive
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Call, Script

ALIVE_WITHIN_MS: Duration = 5_000
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


class TimekeepingStatus(Struct, frozen=True):
    """All timekeepers and all shards."""

    timekeepers: dict[str, Duration]
    """The living, with the time since each was seen."""
    shards: dict[int, ShardStatus]


def alive_timekeepers() -> Procedure[dict[str, Duration]]:
    """The timekeepers that live. Raises ServiceUnavailable."""
    timekeepers = yield from perform(list_alive(keys.keepers(), ALIVE_WITHIN_MS))
    return timekeepers


def timekeeping_status() -> Procedure[TimekeepingStatus]:
    """How everything stands. Raises ServiceUnavailable."""
    timekeepers = yield from alive_timekeepers()
    shards: dict[int, ShardStatus] = {}
    for shard in keys.all_shards():
        shards[shard] = yield from perform(shard_status(shard))
    return TimekeepingStatus(timekeepers, shards)


def shard_status(shard: int) -> Call[ShardStatus]:
    """How a shard's deadlines stand."""
    names = [keys.lease(shard), keys.deadlines(shard), keys.set_aside(shard)]
    return Call(_STATUS, names, [], _parse_status)


def _parse_status(reply: list[Any]) -> ShardStatus:
    holder = None if reply[0] is None else reply[0].decode()
    return ShardStatus(holder, *map(int, reply[1:]))
