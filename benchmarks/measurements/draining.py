"""The audit's drain: how many switches a second go from the outbox into the database, beside bare inserts."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from uuid import uuid4

import making
from bench import Bench
from results import Outcome, row

from synckairos.engine.state import State
from synckairos.outbox import FIELD
from synckairos.redis import keys
from synckairos.redis.client import async_client
from synckairos.redis.store_clock import store_clock

_COMMITS, _SHORT = 20_000, 1_000
_SESSIONS = 500
_TOGETHER = 500
_PATIENCE_S = 120.0


async def measure(bench: Bench) -> Outcome:
    """Both into SQLite files of one directory, as `make up` has it."""
    commits = bench.size(_COMMITS, _SHORT)
    file = bench.stack.data_dir / "floor.sqlite3"

    loaded = [await making.state_of(one) for one in await making.running_sessions(_SESSIONS)]
    states = [one.state for one in loaded if one.state is not None]

    async def ours() -> float:
        return await _drain(states, commits)

    async def theirs() -> float:
        return await asyncio.to_thread(_insert, file, commits, bench.sizes.commit - bench.sizes.state)

    rounds = await bench.in_turns(ours, theirs)
    return Outcome(rows=[row("outbox to database", "commits/s", *rounds)])


async def _drain(states: list[State], commits: int) -> float:
    """From when all entries are there to the last row; commits a second."""
    client, outbox = async_client(), keys.outbox(0)
    entries = []
    while len(entries) < commits:
        now = store_clock.now_ms()
        some = [making.switch_of(state, now) for state in states]
        entries += [write.outbox_entry for write in some]
        states[:] = [write.after for write in some if write.after is not None]
    pipe = client.pipeline(transaction=False)
    for entry in entries:
        pipe.xadd(outbox, {FIELD: entry})
    await pipe.execute()
    began_s, waiting = time.perf_counter(), await client.xlen(outbox)
    async with asyncio.timeout(_PATIENCE_S):
        while await client.xlen(outbox):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)
    return max(waiting, 1) / (time.perf_counter() - began_s)


def _insert(file: Path, rows: int, size: int) -> float:
    """As many rows of as many bytes, in transactions of as many as a drain reads at once; rows a second."""
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS event (session TEXT, version INTEGER, data BLOB, UNIQUE (session, version))"
    )
    began_s = time.perf_counter()
    for start in range(0, rows, _TOGETHER):
        some = [(str(uuid4()), number, bytes(size)) for number in range(start, min(start + _TOGETHER, rows))]
        with database:
            database.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?)", some)
    took_s = time.perf_counter() - began_s
    database.close()
    return rows / took_s
