"""Sudden death: one bank for all turns."""

import pytest

from synckairos.engine.controls.sudden_death import SuddenDeath
from tests.synckairos.engine.controls.conftest import FLAG, Shown

MINUTE = SuddenDeath(main_time_ms=60_000)


@pytest.mark.parametrize(
    ("turns", "left"),
    [
        ([10, 20], [50, 30]),
        ([10, 49.999], [50, 0.001]),
        ([0, 0], [60, 60]),
        ([60], [FLAG]),
        ([59.999, 0.001], [0.001, FLAG]),
        ([10, 51], [50, FLAG]),
    ],
)
def test_turns_leave_what_they_have_not_used(duel, turns, left):
    assert duel(MINUTE).turns(*turns) == left


def test_the_main_time_of_the_control_is_that_of_owners_without_one(duel):
    assert duel(MINUTE).shown() == Shown(60)
    assert duel(MINUTE, main=45).shown() == Shown(45)


def test_nothing_but_the_end_comes_after_the_main_time(duel):
    played = duel(MINUTE)
    assert played.session.deadline == ("expiry", 60_000)
    assert played.thinks(59.999) == Shown(0.001)
    assert played.thinks(0.001) == FLAG


def test_forty_turns_are_expected_to_take_the_main_time():
    assert MINUTE.expected_ms(60_000) == 60_000
