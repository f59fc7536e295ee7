"""Bronstein delay: a finished turn gets back what it has used, up to the delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.engine.controls.bronstein import Bronstein
from tests.synckairos.engine.controls.conftest import FLAG, Duel, Shown

MINUTE = Bronstein(main_time_ms=60_000, delay_ms=5_000)
NO_BASE = Bronstein(main_time_ms=0, delay_ms=5_000)


@pytest.mark.parametrize(
    ("control", "turns", "left"),
    [
        (MINUTE, [30, 34.99], [35, 5.01]),
        (MINUTE, [30, 35], [35, FLAG]),
        (MINUTE, [30, 36], [35, FLAG]),
        (MINUTE, [3, 5, 5.001], [60, 60, 59.999]),
        (MINUTE, [59.999], [5.001]),
        (NO_BASE, [0, 1, 4.999, 4.999], [5, 5, 5, 5]),
        (NO_BASE, [4.999, 5], [5, FLAG]),
        (NO_BASE, [5], [FLAG]),
    ],
)
def test_a_turn_gets_back_what_it_has_used_up_to_the_delay(duel, control, turns, left):
    assert duel(control).turns(*turns) == left


def test_without_a_base_the_clock_shows_the_delay_and_is_not_flagged_at_once(duel):
    played = duel(NO_BASE)
    assert played.shown() == Shown(5)
    assert played.thinks(4.999) == Shown(0.001)
    assert played.thinks(0.001) == FLAG


def test_the_clock_drains_from_the_first_millisecond(duel):
    played = duel(MINUTE)
    assert played.thinks(2) == Shown(58)
    assert played.session.read(2_000).drains_from_ms == 0


def test_a_pause_gives_nothing_back_before_the_turn_ends(duel):
    played = duel(MINUTE)
    played.thinks(2)
    assert played.pauses(100) == Shown(58)
    assert played.finishes(1) == Shown(60)


def test_the_whole_turn_counts_though_pauses_split_it(duel):
    played = duel(MINUTE)
    for _ in range(4):
        played.thinks(2)
        played.pauses(10)
    assert played.finishes() == Shown(57)


@given(left=st.integers(1, 90_000), delay=st.integers(1, 9_000), data=st.data())
def test_a_turn_never_leaves_more_than_there_was_at_its_beginning(left, delay, data):
    turn = data.draw(st.integers(0, left - 1))
    after = Duel("per_participant", Bronstein(delay_ms=delay), main=left / 1_000).finishes(turn / 1_000)
    assert after.left == (left - turn + min(turn, delay)) / 1_000 <= left / 1_000


def test_forty_turns_are_expected_to_take_their_delays_too():
    assert MINUTE.expected_ms(60_000) == 260_000
