"""Canadian byo-yomi: after the main time, blocks of time in each of which so many turns must be finished."""

import pytest

from synckairos.engine.controls.canadian import Canadian
from tests.synckairos.engine.controls.conftest import FLAG, Shown

THREE_IN_30 = Canadian(main_time_ms=10_000, turns=3, period_ms=30_000)
ONE_IN_10 = Canadian(main_time_ms=0, turns=1, period_ms=10_000)


def block(left, turns):
    return Shown(left, "block", turns=turns)


@pytest.mark.parametrize(
    ("control", "turns", "shown"),
    [
        (THREE_IN_30, [4, 5.999], [Shown(6), Shown(0.001)]),
        (THREE_IN_30, [4, 10], [Shown(6), block(26, 2)]),
        (THREE_IN_30, [10], [block(30, 2)]),
        (THREE_IN_30, [12, 8, 19.999], [block(28, 2), block(20, 1), block(30, 3)]),
        (THREE_IN_30, [12, 8, 20], [block(28, 2), block(20, 1), FLAG]),
        (
            THREE_IN_30,
            [12, 0, 0, 1, 2, 3],
            [block(28, 2), block(28, 1), block(30, 3), block(29, 2), block(27, 1), block(30, 3)],
        ),
        (THREE_IN_30, [40], [FLAG]),
        (ONE_IN_10, [9.999, 9.999, 10], [block(10, 1), block(10, 1), FLAG]),
    ],
)
def test_turns_are_counted_down_and_a_block_whose_turns_are_done_begins_anew(duel, control, turns, shown):
    played = duel(control)
    assert [played.finishes(seconds) for seconds in turns] == shown


def test_the_block_begins_when_the_main_time_is_over(duel):
    played = duel(THREE_IN_30)
    assert played.thinks(9.999) == Shown(0.001)
    assert played.thinks(0.001) == block(30, 3)
    assert played.thinks(29.999) == block(0.001, 3)
    assert played.thinks(0.001) == FLAG


def test_without_main_time_the_first_block_runs_at_once(duel):
    assert duel(THREE_IN_30, main=0).shown() == block(30, 3)


def test_turns_are_counted_also_where_a_pause_came_between(duel):
    played = duel(THREE_IN_30)
    played.thinks(12)
    assert played.pauses(100) == block(28, 3)
    assert played.finishes(1) == block(27, 2)
    assert played.pauses(100) == block(27, 2)
    played.thinks(2)
    played.pauses(100)
    assert played.finishes(3) == block(22, 1)
    assert played.pauses(100) == block(22, 1)
    assert played.finishes() == block(30, 3)


def test_a_switch_taken_back_takes_its_turn_out_of_the_count(duel):
    played = duel(THREE_IN_30)
    played.thinks(12)
    assert played.presses_by_mistake(after=1) == block(27, 3)
    assert played.finishes() == block(27, 2)


def test_the_last_turn_of_a_block_taken_back_gives_the_old_block_back(duel):
    played = duel(THREE_IN_30)
    for seconds in (12, 1):
        played.finishes(seconds)
    assert played.presses_by_mistake(after=1) == block(26, 1)


def test_an_interrupted_turn_is_not_counted(session):
    s = session("per_participant", "A B", time_control=THREE_IN_30).start(0)
    s.assign_turn(12_000, "B")
    assert (s.left("A", 12_000), s.progress("A").turns) == (28_000, 3)


def test_a_flagged_turn_is_not_counted(duel):
    played = duel(THREE_IN_30)
    assert played.turns(12, 8, 20, 5) == [28, 20, FLAG, FLAG]
    assert played.session.progress("A").turns == 1


def test_the_quota_of_lag_is_sized_by_the_time_of_40_turns():
    assert THREE_IN_30.expected_ms(10_000) == 10_000 + 400_000
