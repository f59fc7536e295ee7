"""What a measurement gives: figures beside their floor, goals, curves. Nothing here measures or writes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct, field


class Spread(Struct, frozen=True):
    """One figure of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.low == self.high:
            return short(self.median)
        return f"{short(self.median)} ({short(self.low)} to {short(self.high)})"


class Row(Struct, frozen=True):
    """A line of a table: the product beside the floor, and their ratio round by round."""

    name: str
    unit: str
    product: Spread
    floor: Spread | None = None
    ratio: Spread | None = None


class Verdict(Struct, frozen=True):
    """A goal and what was measured."""

    goal: str
    limit: float
    at_most: bool
    unit: str
    measured: Spread

    @property
    def is_met(self) -> bool:
        """Whether the median of the rounds meets it."""
        value = self.measured.median
        return value <= self.limit if self.at_most else value >= self.limit

    @property
    def bound(self) -> str:
        """The goal's limit in words."""
        return f"{'≤' if self.at_most else '≥'} {short(self.limit)} {self.unit}".strip()


class Curve(Struct, frozen=True):
    """How one cost grows with one size."""

    name: str
    size: str
    """What grows."""
    cost: str
    """What it costs, with its unit."""
    lines: dict[str, list[tuple[float, float]]]

    def exponents(self) -> dict[str, float]:
        """The steepest step of each line: cost grows as size to this power; 1 is linear."""
        return {name: max(map(_power, points, points[1:])) for name, points in self.lines.items() if len(points) > 1}


class Outcome(Struct):
    """All of one measurement."""

    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What was wrong, as opposed to slow. Empty, or the command fails."""


def row(name: str, unit: str, product: Sequence[float], floor: Sequence[float] = ()) -> Row:
    """A line of a table, of the rounds of both in the same order."""
    if not floor:
        return Row(name, unit, Spread.of(product))
    ratios = [one / other for one, other in zip(product, floor, strict=True)]
    return Row(name, unit, Spread.of(product), Spread.of(floor), Spread.of(ratios))


def at_least(goal: str, limit: float, measured: Spread, unit: str = "") -> Verdict:
    """A goal that something is so much or more."""
    return Verdict(goal, limit, at_most=False, unit=unit, measured=measured)


def at_most(goal: str, limit: float, measured: Spread, unit: str = "") -> Verdict:
    """A goal that something is so much or less."""
    return Verdict(goal, limit, at_most=True, unit=unit, measured=measured)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def short(value: float) -> str:
    """Three figures are as many as a noisy machine can tell."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def _power(one: tuple[float, float], other: tuple[float, float]) -> float:
    return math.log(other[1] / one[1]) / math.log(other[0] / one[0])
