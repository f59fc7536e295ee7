"""All measurements: `make bench`, or `python benchmarks/run.py [--short] [--only NAME] [--against DIR]`.

Starts a stack of its own on free ports, and the floor beside it; measures the two in turns; prints tables. A full run
writes docs/performance.md and its plots. Fails when something was wrong, never because something was slow.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import report
import uvloop
from catalogue import CATALOGUE, Measurement
from stack import LIMITS_ON, Stack, running_stack

if TYPE_CHECKING:
    from results import Outcome


def main() -> int:
    """Measure; gives 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small numbers, to see that it works; writes nothing")
    parser.add_argument("--only", action="append", choices=[one.name for one in CATALOGUE], help="this one; repeatable")
    parser.add_argument("--against", type=Path, metavar="DIR", help="beside another checkout, not beside the floor")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for the servers too, which inherit it
    if chosen.against is not None:
        return measure_against(chosen.against, is_short=chosen.short)
    wanted = [one for one in CATALOGUE if not chosen.only or one.name in chosen.only]
    with running_stack(**LIMITS_ON) as stack, ExitStack() as exits:
        stack.attach()
        found = uvloop.run(measure_all(stack, exits, wanted, is_short=chosen.short))
    if not chosen.short:
        report.keep(found)
        report.write()
    return int(any(outcome.faults for outcome in found.values()))


def measure_against(other: Path, *, is_short: bool) -> int:
    """This checkout beside another one; gives 1 when anything was wrong."""
    with running_stack(**LIMITS_ON) as stack:
        stack.attach()
        import against  # noqa: PLC0415 - needs the attached stack

        return against.main(stack, other, is_short=is_short)


async def measure_all(
    stack: Stack, exits: ExitStack, wanted: list[Measurement], *, is_short: bool
) -> dict[str, Outcome]:
    """Each of them, by name, printed as it comes."""
    from bench import Bench, sizes  # noqa: PLC0415 - needs the attached stack

    from synckairos.redis.client import close_async_client  # noqa: PLC0415 - likewise

    rounds, seconds = (1, 0.2) if is_short else (5, 2.0)
    bench = Bench(stack, exits, is_short=is_short, rounds=rounds, seconds=seconds, sizes=await sizes())
    found = {}
    for one in wanted:
        began_s = time.monotonic()
        found[one.name] = await one.measure(bench)
        print(report.printed(one, found[one.name], time.monotonic() - began_s), flush=True)
        await asyncio.sleep(0)
    await close_async_client()
    return found


if __name__ == "__main__":
    sys.exit(main())
