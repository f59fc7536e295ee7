"""How late deadlines are, the long run: `python benchmarks/expiry.py [--short]`.

Starts a stack of its own (web, timekeeper, worker, beat, embedded store), makes running sessions whose clocks run out
at known instants, and measures from each deadline to its commit (all sessions, by the audit) and to the frame at a
connected client (a sample of 300). Prints a table, and saves a plot.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stack import ROOT, Stack, running_stack

if TYPE_CHECKING:
    from lateness import Result

FULL = [("20 000 over 60 s", 20_000, 60.0), ("2 000 in one millisecond", 2_000, 0.0)]
SHORT = [("300 over 3 s", 300, 3.0), ("100 in one millisecond", 100, 0.0)]


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(result: Result) -> str:
    """A line of the table."""
    figures = " | ".join(
        f"{percentile(values, 0.5):8.1f} {percentile(values, 0.99):8.1f} {max(values):8.1f}"
        for values in (result.commits, result.frames)
    )
    return f"{result.scenario.name:26} {figures} | {result.wrong:5}"


def plot(results: list[Result], path: Path) -> None:
    """The share of deadlines that were announced within a time, for each scenario."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and needed at the end only

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice above

    figure, axes = plt.subplots(figsize=(8, 4.5))
    for result in results:
        for values, kind, style in ((result.frames, "frame at a client", "-"), (result.commits, "commit", ":")):
            ordered = [max(0.1, value) for value in sorted(values)]
            shares = [(place + 1) / len(ordered) * 100 for place in range(len(ordered))]
            axes.plot(ordered, shares, style, label=f"{result.scenario.name}: {kind}")
    axes.set(xscale="log", xlabel="ms after the deadline", ylabel="% of deadlines", title="Lateness of deadlines")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


async def measure_all(stack: Stack, *, is_short: bool) -> list[Result]:
    """Every scenario, one after the other, and the cost of waiting."""
    from lateness import Scenario, idle_percent, measure  # noqa: PLC0415 - needs the attached stack

    from synckairos.redis.client import close_async_client  # noqa: PLC0415 - likewise

    head = f"{'p50':>8} {'p99':>8} {'max':>8}"
    print(f"{'ms after the deadline':26} {'to the commit':26} | to the frame at a client")
    print(f"{'':26} {head} | {head} | wrong")
    results = []
    for scenario in SHORT if is_short else FULL:
        results.append(await measure(stack, Scenario(*scenario)))
        print(row(results[-1]), flush=True)
    sessions, for_s = (500, 3.0) if is_short else (50_000, 20.0)
    share = await idle_percent(stack, sessions, for_s)
    print(f"timekeeper with {sessions} idle running sessions: {share:.1f} % of one core")
    await close_async_client()
    return results


def main() -> int:
    """Measure; gives 1 when any session was not exactly right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small numbers, to see that it works")
    parser.add_argument("--plot", type=Path, help="where the plot goes (docs/expiry.svg; with --short nowhere)")
    chosen = parser.parse_args()
    with running_stack() as stack:
        stack.attach()
        results = asyncio.run(measure_all(stack, is_short=chosen.short))
    path = chosen.plot or (None if chosen.short else ROOT / "docs" / "expiry.svg")
    if path is not None:
        plot(results, path)
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
