"""Plots, as small SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results import Curve

_COLUMNS = 2
_MOST_POINTS = 200


def save_curves(curves: Sequence[Curve], path: Path) -> None:
    """How each cost grows: one panel for each, both axes logarithmic, so that linear growth is a straight diagonal."""
    pyplot = _pyplot()
    rows = -(-len(curves) // _COLUMNS)
    figure, panels = pyplot.subplots(rows, _COLUMNS, figsize=(9, 3 * rows), squeeze=False)
    for panel, curve in zip(panels.flat, curves, strict=False):
        for name, points in curve.lines.items():
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        panel.set(xscale="log", yscale="log", xlabel=curve.size, ylabel=curve.cost)
        panel.set_title(curve.name, fontsize=10)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(fontsize=8)
    for panel in panels.flat[len(curves) :]:
        panel.set_axis_off()
    _save(pyplot, figure, path)


def save_shares(title: str, lines: dict[str, Sequence[float]], path: Path) -> None:
    """The share of values, in ms, that do not exceed a time."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name, values in lines.items():
        ordered = sorted(values)
        places = sorted({int(n * (len(ordered) - 1) / _MOST_POINTS) for n in range(_MOST_POINTS + 1)})
        shares = [(place + 1) / len(ordered) * 100 for place in places]
        axes.plot([max(0.01, ordered[place]) for place in places], shares, label=f"{name} ({len(ordered):,})")
    axes.set(xscale="log", xlabel="ms", ylabel="% of all", title=title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    _save(pyplot, figure, path)


def _pyplot() -> Any:
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and needed at the end only

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, and the file small
    mpl.rcParams["svg.hashsalt"] = "synckairos"  # the same plot is the same file
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice above

    return plt


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
