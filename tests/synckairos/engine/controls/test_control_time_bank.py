"""Allowance and time bank: each turn has an allowance, and what it needs beyond comes from the bank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.engine.controls.time_bank import TimeBank
from tests.synckairos.engine.controls.conftest import FLAG, Duel, Shown

POKER = TimeBank(main_time_ms=60_000, allowance_ms=15_000)
NO_BANK = TimeBank(main_time_ms=0, allowance_ms=15_000)


def allowance(left, *, bank):
    return Shown(left, "allowance", in_reserve=bank)


@pytest.mark.parametrize(
    ("control", "turns", "banks"),
    [
        (POKER, [10, 15, 15.001], [60, 60, 59.999]),
        (POKER, [20, 69.999], [55, 0.001]),
        (POKER, [20, 70], [55, FLAG]),
        (POKER, [75], [FLAG]),
        (POKER, [74.999, 14.999, 15.001], [0.001, 0.001, FLAG]),
        (NO_BANK, [14.999, 14.999, 15], [0, 0, FLAG]),
    ],
)
def test_a_turn_takes_from_the_bank_what_exceeds_the_allowance(duel, control, turns, banks):
    played = duel(control)
    for seconds, bank in zip(turns, banks, strict=True):
        assert played.finishes(seconds) == (FLAG if bank == FLAG else allowance(15, bank=bank))


def test_the_bank_runs_when_the_allowance_is_used_up(duel):
    played = duel(POKER)
    assert played.shown() == allowance(15, bank=60)
    assert played.thinks(14.999) == allowance(0.001, bank=60)
    assert played.thinks(0.001) == Shown(60, "bank")
    assert played.thinks(59.999) == Shown(0.001, "bank")
    assert played.thinks(0.001) == FLAG


def test_a_pause_refills_neither(duel):
    played = duel(POKER)
    played.thinks(10)
    assert played.pauses(100) == allowance(5, bank=60)
    played.thinks(25)
    assert played.pauses(100) == Shown(40, "bank")
    assert played.finishes() == allowance(15, bank=40)


def test_what_is_left_of_an_allowance_is_lost(duel):
    assert duel(POKER).finishes(1) == allowance(15, bank=60)


def test_a_switch_taken_back_gives_the_bank_back_as_it_was(duel):
    played = duel(POKER)
    played.thinks(25)
    assert played.presses_by_mistake(after=3) == Shown(47, "bank")
    played.finishes()
    played.thinks(5)
    assert played.presses_by_mistake(after=3) == allowance(7, bank=47)
    assert played.presses_by_mistake(after=8) == Shown(46, "bank")


def test_an_interrupted_turn_begins_with_the_allowance_again_but_what_the_bank_has_lost_stays_lost(session):
    s = session("per_participant", "A B", time_control=POKER).start(0)
    s.assign_turn(25_000, "B")
    assert (s.left("A", 25_000), s.progress("A").reserve_ms) == (15_000, 50_000)


@given(bank=st.integers(0, 90_000), allowed=st.integers(1, 9_000), data=st.data())
def test_the_formula_is_that_of_the_rules(bank, allowed, data):
    turn = data.draw(st.integers(0, bank + allowed + 1))
    after = Duel("per_participant", TimeBank(allowance_ms=allowed), main=bank / 1_000).finishes(turn / 1_000)
    left = bank - max(0, turn - allowed)
    assert after == (FLAG if turn >= bank + allowed else allowance(allowed / 1_000, bank=left / 1_000))


def test_forty_turns_are_expected_to_take_their_allowances_too():
    assert POKER.expected_ms(60_000) == 660_000
