"""NHK Cup: after the main time a fixed time for each turn, and a number of longer periods to draw on."""

import pytest

from synckairos.engine.controls.nhk import Nhk
from tests.synckairos.engine.controls.conftest import FLAG, Shown

CUP = Nhk(main_time_ms=600_000, turn_ms=30_000, periods=10, period_ms=60_000)
SHORT = Nhk(main_time_ms=10_000, turn_ms=5_000, periods=2, period_ms=20_000)


def turn(left, periods):
    return Shown(left, "turn", periods)


def extra(left, periods):
    return Shown(left, "extra", periods)


@pytest.mark.parametrize(
    ("control", "seconds", "shown"),
    [
        (CUP, 599.999, Shown(0.001)),
        (CUP, 600, turn(30, 10)),
        (CUP, 630, extra(60, 9)),
        (CUP, 1_229.999, extra(0.001, 0)),
        (CUP, 1_230, FLAG),
        (SHORT, 14, turn(1, 2)),
        (SHORT, 15, extra(20, 1)),
        (SHORT, 54.999, extra(0.001, 0)),
        (SHORT, 55, FLAG),
    ],
)
def test_what_the_clock_shows_so_long_after_the_start(duel, control, seconds, shown):
    assert duel(control).thinks(seconds) == shown


@pytest.mark.parametrize(
    ("turns", "shown"),
    [
        ([4, 3], [Shown(6), Shown(3)]),
        ([12, 4.999], [turn(5, 2), turn(5, 2)]),
        ([12, 5, 24.999], [turn(5, 2), turn(5, 1), turn(5, 0)]),
        ([12, 45, 5], [turn(5, 2), FLAG]),
        ([12, 44.999, 4.999, 5], [turn(5, 2), turn(5, 0), turn(5, 0), FLAG]),
    ],
)
def test_a_turn_that_ends_begins_the_time_of_a_turn_anew_and_gives_no_period_back(duel, turns, shown):
    played = duel(SHORT)
    assert [played.finishes(seconds) for seconds in turns[: len(shown)]] == shown


def test_without_main_time_the_time_of_the_first_turn_runs_at_once(duel):
    assert duel(SHORT, main=0).shown() == turn(5, 2)
