"""How long `make up` takes from its first process to the line that says ready, with everything installed."""

from __future__ import annotations

import asyncio
import time

from bench import Bench
from results import Outcome, at_most, row
from servers import FLOOR, serving
from stack import running_stack

_GOAL_S = 6.0


async def measure(bench: Bench) -> Outcome:
    """On a directory of its own each time, with as many web processes as the machine has cores."""

    async def ours() -> float:
        return await asyncio.to_thread(_start_stack)

    async def theirs() -> float:
        settings = {**bench.stack.child_environment(), "FLOOR_STORE": str(bench.stack.socket_path)}
        return await asyncio.to_thread(_start_floor, settings)

    product, floor = await bench.in_turns(ours, theirs)
    one = row("from start to ready, beside the floor's one process", "s", product, floor)
    return Outcome(rows=[one], verdicts=[at_most("make up, from installed to ready", _GOAL_S, one.product, "s")])


def _start_stack() -> float:
    began_s = time.perf_counter()
    with running_stack(WEB_WORKERS="2"):
        return time.perf_counter() - began_s


def _start_floor(settings: dict[str, str]) -> float:
    began_s = time.perf_counter()
    with serving(FLOOR, settings):
        return time.perf_counter() - began_s
