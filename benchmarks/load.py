"""Load as users make it: `make load SCENARIO=quiz [SECONDS=60]`, or `python benchmarks/load.py quiz [--plot FILE]`.

Starts a stack of its own with two web processes, drives it with a scenario of `benchmarks/scenarios/`, and prints how
long commands took to be acknowledged and to be shown to the last viewer, what failed, which versions viewers have
missed, and by how much the clocks of clients were wrong. Fails when a command failed or a viewer was left behind.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import plots
import scenario as scenarios
import uvloop
from results import percentile
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from scenario import Scenario
from servers import Group
from stack import LIMITS_ON, ROOT, Stack, running_stack

if TYPE_CHECKING:
    from loading import Load

_SHARES = (0.5, 0.95, 0.99, 1.0)


def main() -> int:
    """Drive one scenario; gives 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=scenarios.NAMES)
    parser.add_argument("--seconds", type=float, help="how long (what the scenario says)")
    parser.add_argument("--plot", type=Path, help="where the plot goes (var/load-<scenario>.svg)")
    chosen = parser.parse_args()
    scenario = scenarios.read(chosen.scenario)
    seconds = chosen.seconds or scenario.seconds
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for the stack too, which inherits it
    with running_stack(WEB_WORKERS="2", **LIMITS_ON) as stack:
        stack.attach()
        load = uvloop.run(_driven(stack, scenario, seconds))
    show(scenario, load)
    plot = chosen.plot or ROOT / "var" / f"load-{chosen.scenario}.svg"
    plots.save_shares(scenario.title, {name: values for name, values in _times(load).items() if values}, plot)
    print(f"plot: {plot}")
    return int(not load.is_right)


async def _driven(stack: Stack, scenario: Scenario, seconds: float) -> Load:
    from loading import drive  # noqa: PLC0415 - needs the attached stack

    parts = urlsplit(stack.url)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()) as progress:
        return await drive(
            scenario, Group(str(parts.hostname), int(parts.port or 80), []), seconds, _teller(progress, seconds)
        )


def _teller(progress: Progress, seconds: float) -> Callable[[float, Load], None]:
    bar = progress.add_task("opening", total=seconds)

    def tell(passed_s: float, load: Load) -> None:
        said = f"{len(load.acknowledged):,} switches, {load.errors.total()} errors"
        progress.update(bar, completed=min(passed_s, seconds), description=said)

    return tell


def show(scenario: Scenario, load: Load) -> None:
    """A table of what it came to."""
    table = Table(title=scenario.title)
    for heading in ("ms", "number", *(f"p{share * 100:g}" for share in _SHARES)):
        table.add_column(heading, justify="left" if heading == "ms" else "right")
    for name, values in _times(load).items():
        table.add_row(name, f"{len(values):,}", *_figures(values))
    console = Console()
    console.print(table)
    failed = ", ".join(f"{count} x {code}" for code, count in load.errors.items()) or "none"
    console.print(
        f"{scenario.sockets:,} viewers, opened in {load.opened_s:.1f} s; {load.lost} connections lost; errors: {failed}"
    )
    console.print(f"versions that viewers were never shown: {load.missed}; sessions left behind: {load.stale}")


def _times(load: Load) -> dict[str, list[float]]:
    return {
        "command to its ACK": load.acknowledged,
        "command to the last viewer": load.shown,
        "error of clients' clocks": load.clock_errors,
    }


def _figures(values: Sequence[float]) -> list[str]:
    return [f"{percentile(values, share):.1f}" for share in _SHARES] if values else ["-"] * len(_SHARES)


if __name__ == "__main__":
    sys.exit(main())
