"""Overtime with penalty: after the main time the clock runs on for a while, and each started minute costs points."""

import pytest

from synckairos.engine.controls.overtime import Overtime
from tests.synckairos.engine.controls.conftest import FLAG, Shown

SCRABBLE = Overtime(main_time_ms=60_000, max_overtime_ms=600_000)
OWN = Overtime(main_time_ms=10_000, max_overtime_ms=90_000, points_per_period=7, penalty_period_ms=30_000)


def overtime(left):
    return Shown(left, "overtime")


@pytest.mark.parametrize(
    ("control", "seconds", "shown"),
    [
        (SCRABBLE, 59.999, Shown(0.001)),
        (SCRABBLE, 60, overtime(600)),
        (SCRABBLE, 61, overtime(599)),
        (SCRABBLE, 659.999, overtime(0.001)),
        (SCRABBLE, 660, FLAG),
    ],
)
def test_the_overtime_runs_after_the_main_time_and_then_the_clock_is_flagged(duel, control, seconds, shown):
    assert duel(control).thinks(seconds) == shown


@pytest.mark.parametrize(
    ("control", "turn", "points"),
    [
        (SCRABBLE, 59.999, 0),
        (SCRABBLE, 60, 0),
        (SCRABBLE, 60.001, 10),
        (SCRABBLE, 120, 10),
        (SCRABBLE, 120.001, 20),
        (SCRABBLE, 659.999, 100),
        (OWN, 40, 7),
        (OWN, 41, 14),
        (OWN, 99.999, 21),
    ],
)
def test_each_started_minute_costs_points_which_the_event_of_the_switch_tells(duel, control, turn, points):
    played = duel(control)
    played.finishes(turn)
    assert played.last_turn.penalty_points == points


def test_points_are_told_as_they_stand_and_never_counted_twice(duel):
    played = duel(SCRABBLE)
    points = []
    for seconds in (100, 0, 20, 0.001):
        played.finishes(seconds)
        points.append(played.last_turn.penalty_points)
    assert points == [10, 10, 10, 20]


def test_the_end_of_the_overtime_costs_what_the_whole_of_it_does_once(duel):
    played = duel(SCRABBLE)
    assert played.turns(100, 560, 5) == [560, FLAG, FLAG]
    assert played.session.last("participant.expired").penalty_points == 100
    assert played.last_turn.penalty_points == 100


def test_a_flag_without_overtime_costs_no_points(session):
    s = session("per_participant").start(0)
    s.look(90_000)
    assert s.last("participant.expired").penalty_points == 0


def test_without_main_time_the_overtime_begins_at_once(duel):
    played = duel(OWN, main=0)
    assert played.shown() == overtime(90)
    played.finishes(0.001)
    assert played.last_turn.penalty_points == 7


def test_a_pause_costs_nothing(duel):
    played = duel(SCRABBLE)
    played.thinks(70)
    assert played.pauses(900) == overtime(590)
    played.finishes(1)
    assert played.last_turn.penalty_points == 10


def test_a_switch_taken_back_costs_the_time_since(duel):
    played = duel(SCRABBLE)
    played.thinks(119)
    assert played.presses_by_mistake(after=2) == overtime(539)
    played.finishes()
    assert played.last_turn.penalty_points == 20


def test_overtime_that_an_official_gives_back_costs_no_points(duel):
    played = duel(SCRABBLE)
    played.thinks(150)
    played.session.adjust_clock(played.now, by=60_000)
    played.finishes()
    assert played.last_turn.penalty_points == 10
    played.session.adjust_clock(played.now, by=600_000)
    played.finishes()
    assert played.last_turn.penalty_points == 0


def test_the_quota_of_lag_is_sized_by_the_main_time():
    assert SCRABBLE.expected_ms(60_000) == 60_000
