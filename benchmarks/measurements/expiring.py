"""How late deadlines are, beside a bare timer that writes once to the store. The long run is benchmarks/expiry.py."""

from __future__ import annotations

import asyncio
import time

from bench import Bench
from lateness import Scenario, now_ms
from lateness import measure as lateness_of
from results import Outcome, percentile, row

from synckairos.redis.client import async_client

_FULL = (("5 000 over 20 s", 5_000, 20.0), ("1 000 in one millisecond", 1_000, 0.0))
_SHORT = (("50 over 1 s", 50, 1.0),)
_TIMERS = 200
_TIMERS_S = 2.0


async def measure(bench: Bench) -> Outcome:
    """Each scenario once: it has hundreds of deadlines in itself."""
    outcome = Outcome()
    for scenario in _SHORT if bench.is_short else _FULL:
        bare = await _timers(_TIMERS, _TIMERS_S if scenario[2] else 0.0)
        result = await lateness_of(bench.stack, Scenario(*scenario))
        for share in (0.5, 0.99):
            floor = [percentile(bare, share)]
            for what, values in (("commit", result.commits), ("frame at a client", result.frames)):
                name = f"{scenario[0]}: to the {what}, p{share * 100:g}"
                outcome.rows.append(row(name, "ms", [percentile(values, share)], floor))
        if result.wrong:
            outcome.faults.append(f"{scenario[0]}: {result.wrong} sessions are not exactly right")
    return outcome


async def _timers(number: int, spread_s: float) -> list[float]:
    """Lateness of bare timers in ms, each with one write."""
    client = async_client()
    first_ms = now_ms() + 200

    async def one(place: int) -> float:
        due_ms = first_ms + place * spread_s * 1000 / number
        await asyncio.sleep((due_ms - time.time() * 1000) / 1000)
        await client.set("floor:timer", place)
        return max(0.01, time.time() * 1000 - due_ms)

    return list(await asyncio.gather(*(one(place) for place in range(number))))
