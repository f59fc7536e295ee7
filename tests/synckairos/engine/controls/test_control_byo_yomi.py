"""Japanese byo-yomi: after the main time, periods of which only those are lost that a turn uses up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.engine.controls.byo_yomi import ByoYomi
from tests.synckairos.engine.controls.conftest import FLAG, Duel, Shown

ONE = ByoYomi(main_time_ms=15_000, periods=1, period_ms=5_000)
THREE = ByoYomi(main_time_ms=10_000, periods=3, period_ms=10_000)
LISHOGI = ByoYomi(main_time_ms=10_000, periods=2, period_ms=10_000, increment_ms=2_000)


def period(left, periods):
    return Shown(left, "byo_yomi", periods)


@pytest.mark.parametrize(
    ("control", "seconds", "shown"),
    [
        (ONE, 10, Shown(5)),
        (ONE, 15, period(5, 1)),
        (ONE, 19, period(1, 1)),
        (ONE, 19.999, period(0.001, 1)),
        (ONE, 20, FLAG),
        (THREE, 9.999, Shown(0.001)),
        (THREE, 10, period(10, 3)),
        (THREE, 19.999, period(0.001, 3)),
        (THREE, 20, period(10, 2)),
        (THREE, 32, period(8, 1)),
        (THREE, 39.999, period(0.001, 1)),
        (THREE, 40, FLAG),
    ],
)
def test_what_the_clock_shows_so_long_after_the_start(duel, control, seconds, shown):
    assert duel(control).thinks(seconds) == shown


@pytest.mark.parametrize(
    ("control", "turns", "shown"),
    [
        (ONE, [10], [Shown(5)]),
        (ONE, [19, 4.999], [period(5, 1), period(5, 1)]),
        (ONE, [19, 5], [period(5, 1), FLAG]),
        (THREE, [32, 9, 10], [period(10, 1), period(10, 1), FLAG]),
        (THREE, [10, 9.999, 10, 15], [period(10, 3), period(10, 3), period(10, 2), period(10, 1)]),
        (THREE, [40], [FLAG]),
        (LISHOGI, [4, 7.999], [Shown(8), Shown(2.001)]),
        (LISHOGI, [4, 8, 9, 10, 10], [Shown(8), period(10, 2), period(10, 2), period(10, 1), FLAG]),
    ],
)
def test_a_turn_that_ends_within_a_period_begins_it_anew(duel, control, turns, shown):
    played = duel(control)
    assert [played.finishes(seconds) for seconds in turns] == shown


def test_without_main_time_the_first_period_runs_at_once(duel):
    assert duel(THREE, main=0).shown() == period(10, 3)


def test_each_period_begins_with_an_event_at_its_own_instant(duel):
    played = duel(THREE)
    played.thinks(100)
    assert played.session.happened()[1:] == [
        ("clock.phase_changed", 10_000),
        ("clock.phase_changed", 20_000),
        ("clock.phase_changed", 30_000),
        ("participant.expired", 40_000),
    ]
    changes = [e for e in played.session.events if e.name == "clock.phase_changed"]
    assert [(e.left_ms, e.progress.phase, e.progress.periods) for e in changes] == [
        (10_000, "byo_yomi", 3),
        (10_000, "byo_yomi", 2),
        (10_000, "byo_yomi", 1),
    ]


def test_a_pause_does_not_begin_a_period_anew(duel):
    played = duel(THREE)
    played.thinks(14)
    assert played.pauses(100) == period(6, 3)
    played.thinks(5)
    assert played.pauses(100) == period(1, 3)
    assert played.thinks(1) == period(10, 2)


def test_a_switch_taken_back_gives_the_period_back_with_what_was_left_of_it(duel):
    played = duel(THREE)
    played.thinks(17)
    assert played.presses_by_mistake(after=2) == period(1, 3)
    assert played.presses_by_mistake(after=2) == period(9, 2)
    played.thinks(9)
    assert played.shown() == period(10, 1)


def test_time_that_an_official_gives_to_a_period_is_not_lost_with_the_turn(duel):
    played = duel(THREE)
    played.thinks(12)
    played.session.adjust_clock(played.now, by=20_000)
    assert played.finishes(1) == period(27, 3)
    assert played.finishes(20) == period(10, 3)


def test_time_that_an_official_gives_to_a_flagged_clock_is_the_last_period(duel):
    played = duel(THREE)
    played.thinks(50)
    played.session.adjust_clock(played.now, to=4_000)
    assert played.shown() == period(4, 1)
    assert played.finishes(3) == period(10, 1)
    assert played.finishes(10) == FLAG


@given(main=st.integers(0, 30_000), length=st.integers(1, 9_000), periods=st.integers(1, 5), data=st.data())
def test_the_formula_is_that_of_the_rules(main, length, periods, data):
    turn = data.draw(st.integers(0, main + periods * length + 1))
    control = ByoYomi(periods=periods, period_ms=length)
    after = Duel("per_participant", control, main=main / 1_000).finishes(turn / 1_000)
    spent = (turn - main) // length
    if turn < main:
        assert after == Shown((main - turn) / 1_000)
    else:
        assert after == (FLAG if spent >= periods else period(length / 1_000, periods - spent))


def test_the_quota_of_lag_is_sized_by_25_periods():
    assert LISHOGI.expected_ms(10_000) == 10_000 + 40 * 2_000 + 25 * 10_000
