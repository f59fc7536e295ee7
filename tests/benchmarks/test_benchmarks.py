"""The arithmetic of the benchmarks. That they run is seen by `.ci/run`, in their short mode."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports one of the benchmarks, which are scripts that import each other by name."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return import_module


def test_a_ratio_is_of_rounds_not_of_medians(script):
    line = script("results").row("switches", "/s", [10.0, 40.0, 30.0], [10.0, 20.0, 10.0])
    assert (line.ratio.median, line.ratio.low, line.ratio.high) == (2.0, 1.0, 3.0)


def test_a_goal_is_met_at_its_limit_and_missed_beyond_it(script):
    results = script("results")
    assert results.at_least("throughput", 0.6, results.Spread.of([0.6])).is_met
    assert not results.at_least("throughput", 0.6, results.Spread.of([0.59])).is_met
    assert results.at_most("memory", 30, results.Spread.of([30.0])).is_met
    assert not results.at_most("memory", 30, results.Spread.of([30.1])).is_met


def test_growth_is_judged_by_the_steepest_step(script):
    curve = script("results").Curve(
        "switch", "sessions", "ms", {"linear": [(1, 2), (10, 20)], "steep": [(1, 1), (10, 1), (20, 4)]}
    )
    assert curve.exponents() == pytest.approx({"linear": 1.0, "steep": 2.0})


def test_every_scenario_can_be_read_and_switches_only_within_its_time(script):
    scenario = script("scenario")
    assert {"auction", "blitz", "exam", "quiz", "standup"} <= set(scenario.NAMES)
    for name in scenario.NAMES:
        read = scenario.read(name)
        assert read.sockets > 0
        assert all(0 <= moment < read.seconds for moment in read.moments(read.seconds))


def test_every_measurement_has_a_file_of_its_name(script):
    catalogue = script("catalogue")
    files = {path.stem for path in (FOLDER / "measurements").glob("*.py")}
    assert {one.name for one in catalogue.CATALOGUE} == files
