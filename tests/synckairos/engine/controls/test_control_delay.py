"""Simple (US) delay: the clock begins to drain some time after the turn begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.engine.controls.delay import Delay
from tests.synckairos.engine.controls.conftest import FLAG, Duel, Shown

MINUTE = Delay(main_time_ms=60_000, delay_ms=5_000)
NO_BASE = Delay(main_time_ms=0, delay_ms=5_000)


@pytest.mark.parametrize(
    ("control", "turns", "left"),
    [
        (MINUTE, [30, 34.99], [35, 5.01]),
        (MINUTE, [30, 36], [35, 4]),
        (MINUTE, [30, 39.999], [35, 0.001]),
        (MINUTE, [30, 40], [35, FLAG]),
        (MINUTE, [3, 5, 5.001], [60, 60, 59.999]),
        (MINUTE, [65], [FLAG]),
        (NO_BASE, [0, 1, 4.999, 4.999], [0, 0, 0, 0]),
        (NO_BASE, [4.999, 5], [0, FLAG]),
        (NO_BASE, [5], [FLAG]),
    ],
)
def test_a_turn_drains_the_clock_after_the_delay(duel, control, turns, left):
    assert duel(control).turns(*turns) == left


def test_the_clock_stands_still_in_the_delay_and_says_from_when_on_it_drains(duel):
    played = duel(MINUTE)
    assert [played.thinks(seconds).left for seconds in (0, 4.999, 0.001, 0.001)] == [60, 60, 60, 59.999]
    shown = played.session.read(played.now)
    assert (shown.drains_from_ms, shown.deadline_ms) == (5_000, 65_000)


def test_without_a_base_there_is_the_delay_to_play_with(duel):
    played = duel(NO_BASE)
    assert played.session.deadline == ("expiry", 5_000)
    assert played.thinks(4.999) == Shown(0)
    assert played.thinks(0.001) == FLAG


def test_a_pause_does_not_renew_the_delay(duel):
    played = duel(MINUTE)
    for _ in range(3):
        played.thinks(2)
        played.pauses(100)
    assert played.shown() == Shown(59)
    assert played.session.read(played.now).drains_from_ms == played.now


def test_a_pause_within_the_delay_leaves_the_rest_of_it(duel):
    played = duel(MINUTE)
    played.thinks(2)
    played.pauses(100)
    assert played.session.read(played.now).drains_from_ms == played.now + 3_000
    assert played.thinks(3) == Shown(60)
    assert played.thinks(1) == Shown(59)


def test_an_adjustment_does_not_renew_the_delay(duel):
    played = duel(MINUTE)
    played.thinks(2)
    played.session.adjust_clock(played.now, to=10_000)
    assert played.thinks(4) == Shown(9)


def test_the_delay_is_granted_again_in_the_next_turn(duel):
    played = duel(MINUTE)
    played.finishes(65 - 1)
    assert played.session.read(played.now).drains_from_ms == played.now + 5_000


@given(left=st.integers(1, 90_000), delay=st.integers(1, 9_000), data=st.data())
def test_the_formula_is_that_of_the_rules(left, delay, data):
    turn = data.draw(st.integers(0, left + delay + 1))
    expected = FLAG if turn >= left + delay else (left - max(0, turn - delay)) / 1_000
    assert Duel("per_participant", Delay(delay_ms=delay), main=left / 1_000).turns(turn / 1_000) == [expected]


def test_forty_turns_are_expected_to_take_their_delays_too():
    assert MINUTE.expected_ms(60_000) == 260_000
