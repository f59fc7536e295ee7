"""Writing down what was measured: on the terminal, and in docs/performance.md between two markers.

Results of full runs are kept in `benchmarks/measured/`, which goes into the repository with the document: anywhere, one
measurement can be taken again without the others.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import plots
from catalogue import CATALOGUE, Measurement
from msgspec import Struct
from results import Outcome, Row, Verdict
from stack import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
_KEPT = ROOT / "benchmarks" / "measured"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Kept(Struct, frozen=True):
    """An outcome, and when and where it was measured."""

    at: str
    machine: str
    outcome: Outcome


def printed(measurement: Measurement, outcome: Outcome, took_s: float) -> str:
    """An outcome for the terminal."""
    lines = [f"\n== {measurement.what} ({measurement.name}, {took_s:.0f} s)"]
    lines += [
        f"  {row.name:50} {row.product!s:>28} {row.unit:12} floor {_or_none(row.floor):>28}  ÷ {_or_none(row.ratio)}"
        for row in outcome.rows
    ]
    lines += [f"  {_mark(one):6} {one.goal}: {one.measured} {one.unit} (goal {one.bound})" for one in outcome.verdicts]
    lines += [f"  {line}" for line in _growth(outcome)]
    lines += [f"  {note}" for note in outcome.notes]
    return "\n".join(lines + [f"  WRONG: {fault}" for fault in outcome.faults])


def keep(found: dict[str, Outcome]) -> None:
    """Remember outcomes for the document."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    for name, outcome in found.items():
        kept = Kept(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", _machine(), outcome)
        (_KEPT / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")


def write() -> None:
    """Put all that is kept into the document; what people have written around the markers stays."""
    paths = {one: _KEPT / f"{one.name}.json" for one in CATALOGUE}
    all_kept = {one: msgspec.json.decode(path.read_bytes(), type=Kept) for one, path in paths.items() if path.exists()}
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    measured = "\n".join(_measured(all_kept))
    DOCUMENT.write_text(f"{before}{_BEGIN}\n{measured}\n{_END}{after}")
    curves = [curve for kept in all_kept.values() for curve in kept.outcome.curves]
    if curves:
        plots.save_curves(curves, DOCUMENT.with_suffix(".svg"))


def _measured(all_kept: dict[Measurement, Kept]) -> Iterator[str]:
    yield "## Goals"
    yield ""
    yield "| | Goal | Measured: median (lowest to highest round) | |"
    yield "|---|---|---|---|"
    for kept in all_kept.values():
        for one in kept.outcome.verdicts:
            yield f"| {one.goal} | {one.bound} | {one.measured} {one.unit} | {_mark(one)} |"
    if any(kept.outcome.curves for kept in all_kept.values()):
        yield ""
        yield "![How cost grows](performance.svg)"
    for measurement, kept in all_kept.items():
        yield from _section(measurement, kept)


def _section(measurement: Measurement, kept: Kept) -> Iterator[str]:
    yield ""
    yield f"## {measurement.what}"
    yield ""
    yield f"{measurement.how} {kept.at}, {kept.machine}."
    yield ""
    if kept.outcome.rows:
        yield "| | SyncKairos | Floor | Ratio |"
        yield "|---|---|---|---|"
        yield from (_line(row) for row in kept.outcome.rows)
        yield ""
    yield from (f"* {text}" for text in (*_growth(kept.outcome), *kept.outcome.notes))


def _line(row: Row) -> str:
    return f"| {row.name}, {row.unit} | {row.product} | {_or_none(row.floor)} | {_or_none(row.ratio)} |"


def _growth(outcome: Outcome) -> Iterator[str]:
    for curve in outcome.curves:
        for name, power in curve.exponents().items():
            points = ", ".join(f"{size:,.0f}: {cost:,.4g}" for size, cost in curve.lines[name])
            yield f"{curve.name}, {name}, {curve.cost}: {points}. Steepest step: size to the power of {power:.2f}."


def _mark(verdict: Verdict) -> str:
    return "met" if verdict.is_met else "missed"


def _or_none(text: object) -> str:
    return "" if text is None else str(text)


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models)} cores of {model}, {platform.system()}, Python {platform.python_version()}"
