"""Fixed time per turn: each turn begins with the whole period."""

import pytest

from synckairos.engine.controls.per_turn import PerTurn
from tests.synckairos.engine.controls.conftest import FLAG, Shown

HALF = PerTurn(time_ms=30_000)


@pytest.mark.parametrize(
    ("turns", "left"),
    [
        ([10, 29.999, 0], [30, 30, 30]),
        ([30], [FLAG]),
        ([29.999, 30.001], [30, FLAG]),
    ],
)
def test_each_turn_begins_with_the_whole_period(duel, turns, left):
    assert duel(HALF).turns(*turns) == left


def test_a_pause_does_not_refill_the_period(duel):
    played = duel(HALF)
    for _ in range(10):
        played.thinks(2)
        played.pauses(60)
    assert played.shown() == Shown(10)
    assert played.thinks(9.999) == Shown(0.001)
    assert played.thinks(0.001) == FLAG


def test_a_total_of_the_owner_has_no_meaning(duel):
    assert duel(HALF, main=5).shown() == Shown(30)


def test_who_has_been_flagged_has_time_again_in_the_next_turn(duel):
    played = duel(HALF)
    assert played.turns(31, 10, 30) == [FLAG, 30, FLAG]
    assert played.session.happened("participant.expired")[1][1] == 31_000 + 10_000 + 30_000


def test_the_rotation_does_not_leave_out_who_has_been_flagged(session):
    s = session("per_participant", "A B", time_control=HALF, on_timeout="skip_cycle").start(0)
    s.look(150_000)
    assert [at for _, at in s.happened("cycle.switched")] == [30_000, 60_000, 90_000, 120_000, 150_000]
    assert (s.status, s.active, s.left("B", 150_000)) == ("running", "B", 30_000)


def test_time_given_to_a_flagged_turn_lets_it_go_on(duel):
    played = duel(HALF)
    assert played.thinks(31) == FLAG
    played.session.adjust_clock(played.now, to=5_000)
    assert played.thinks(4) == Shown(1)
    assert played.finishes() == Shown(30)


def test_an_interrupted_turn_begins_with_the_whole_period_again(session):
    s = session("per_participant", "A B", time_control=HALF).start(0)
    s.assign_turn(20_000, "B")
    s.assign_turn(25_000, "A")
    assert s.left("A", 25_000) == s.left("B", 25_000) == 30_000


def test_forty_turns_are_expected_to_take_forty_periods():
    assert HALF.expected_ms(0) == 1_200_000
