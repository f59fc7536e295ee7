"""Status of timekeeping: living timekeepers, the shards they serve, and overdue deadlines."""

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
"""Milliseconds without a report after which a timekeeper counts as dead."""


_FOLDER = Path(__file__).parent / "lua"
_STATUS = Script(_FOLDER / "status.lua")


class ShardStatus(Struct, frozen=True):
    """Status of one shard's deadlines."""

    holder: str | None
    """The timekeeper that serves the shard."""
    deadlines: int
    overdue: int
    set_aside: int
    longest_overdue_ms: Duration


class TimekeepingStatus(Struct, frozen=True):
    """Status of all timekeepers and shards."""

    timekeepers: dict[str, Duration]
    """Living timekeepers, with the time since the last report of each."""
    shards: dict[int, ShardStatus]


def alive_timekeepers() -> Procedure[dict[str, Duration]]:
    """Return the living timekeepers. Raises ServiceUnavailable."""
    return perform(list_alive(keys.timekeepers(), ALIVE_WITHIN_MS))


def timekeeping_status() -> Procedure[TimekeepingStatus]:
    """Return the status of timekeeping. Raises ServiceUnavailable."""
    timekeepers = yield from alive_timekeepers()
    shards: dict[int, ShardStatus] = {}
    for shard in keys.all_shards():
        shards[shard] = yield from perform(shard_status(shard))
    return TimekeepingStatus(timekeepers, shards)


def shard_status(shard: int) -> Call[ShardStatus]:
    """Return the call for the status of a shard."""
    names = [keys.lease(shard), keys.deadlines(shard), keys.set_aside(shard)]
    return Call(_STATUS, names, [], _parse_status)


def _parse_status(reply: list[Any]) -> ShardStatus:
    holder = None if reply[0] is None else reply[0].decode()
    return ShardStatus(holder, *map(int, reply[1:]))
