"""The `quiz` scenario: how soon the last of 500 viewers has the frame of a switch, with two web processes."""

from __future__ import annotations

import scenario as scenarios
from bench import Bench
from loading import Load, drive
from results import Outcome, Spread, at_most, percentile, row

_GOAL_MS = 100.0
_SECONDS, _SHORT_S = 15.0, 2.0


async def measure(bench: Bench) -> Outcome:
    """Rounds by themselves: there is no bare quiz."""
    quiz = scenarios.read("quiz")
    seconds = _SHORT_S if bench.is_short else _SECONDS

    async def turn() -> Load:
        return await drive(quiz, bench.product(2), seconds, lambda _passed_s, _load: None)

    (loads,) = await bench.in_turns(turn)
    faults = [
        f"errors {dict(one.errors)}, {one.stale} left behind, {one.lost} lost" for one in loads if not one.is_right
    ]
    if faults:
        return Outcome(faults=faults)
    rows = [
        row("command to its ACK, p50", "ms", [percentile(one.acknowledged, 0.5) for one in loads]),
        row("command to the last viewer, p50", "ms", [percentile(one.shown, 0.5) for one in loads]),
        row("error of clients' clocks, p95", "ms", [percentile(one.clock_errors, 0.95) for one in loads]),
    ]
    last = Spread.of([percentile(one.shown, 0.95) for one in loads])
    verdicts = [at_most("quiz: the last viewer's frame after a switch, p95", _GOAL_MS, last, "ms")]
    missed = f"Versions never shown to a viewer, because a newer one followed: {[one.missed for one in loads]}."
    return Outcome(rows=rows, verdicts=verdicts, notes=[missed])
