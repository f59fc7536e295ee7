"""Fischer: each finished turn earns an increment, perhaps up to a cap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.engine.controls.fischer import Fischer
from tests.synckairos.engine.controls.conftest import FLAG, Duel, Shown

MINUTE = Fischer(main_time_ms=60_000, increment_ms=1_000)
CAPPED = Fischer(main_time_ms=60_000, increment_ms=10_000, cap_ms=65_000)
FIDE = Fischer(main_time_ms=60_000, increment_ms=5_000, increment_before_first_turn=True)


@pytest.mark.parametrize(
    ("control", "turns", "left"),
    [
        (MINUTE, [30, 30.99, 1.01], [31, 1.01, FLAG]),
        (MINUTE, [59.999], [1.001]),
        (MINUTE, [60], [FLAG]),
        (MINUTE, [61], [FLAG]),
        (MINUTE, [0, 0, 0], [61, 62, 63]),
        (CAPPED, [2, 4, 6, 11], [65, 65, 65, 64]),
        (CAPPED, [30, 65], [40, FLAG]),
        (FIDE, [0, 70], [70, FLAG]),
        (FIDE, [64.999], [5.001]),
        (FIDE, [65], [FLAG]),
    ],
)
def test_a_turn_that_ends_in_time_earns_the_increment(duel, control, turns, left):
    assert duel(control).turns(*turns) == left


def test_a_flagged_clock_has_nothing_left_and_earns_nothing_later(duel):
    played = duel(MINUTE)
    assert played.turns(60, 0) == [FLAG, FLAG]
    assert played.session.seat("A").total_time_ms == 0


def test_the_increment_before_the_first_turn_is_on_the_clock_at_the_start(duel):
    assert duel(FIDE).shown() == Shown(65)
    assert duel(FIDE, main=10).shown() == Shown(15)


def test_a_cap_holds_for_the_increment_before_the_first_turn_too(duel):
    control = Fischer(main_time_ms=60_000, increment_ms=9_000, cap_ms=61_000, increment_before_first_turn=True)
    assert duel(control).shown() == Shown(61)


def test_the_event_of_a_switch_says_what_the_turn_has_earned(duel):
    played = duel(CAPPED)
    played.turns(30, 4)
    event = played.last_turn
    assert (event.turn_ms, event.left_ms, event.earned_ms) == (4_000, 46_000, 10_000)
    played.turns(0, 0)
    assert [e.earned_ms for e in played.session.events if e.name == "cycle.switched"][::2] == [10_000] * 3 + [9_000]


def test_the_short_form_in_milliseconds_is_this_control(session):
    short, long = session("per_participant", increment_ms=1_000), session("per_participant", time_control=MINUTE)
    for s in (short.start(0), long.start(0)):
        s.switch(30_000)
    assert short.left("A", 30_000) == long.left("A", 30_000) == 31_000


@given(
    left=st.integers(1, 90_000), increment=st.integers(1, 9_000), cap=st.none() | st.integers(1, 90_000), data=st.data()
)
def test_the_formula_is_that_of_the_rules(left, increment, cap, data):
    turn = data.draw(st.integers(0, left - 1))
    played = Duel("per_participant", Fischer(increment_ms=increment, cap_ms=cap), main=left / 1_000)
    expected = left - turn + increment
    assert played.turns(turn / 1_000) == [(expected if cap is None else min(cap, expected)) / 1_000]


def test_forty_turns_are_expected_to_take_their_increments_too():
    assert MINUTE.expected_ms(60_000) == 100_000
