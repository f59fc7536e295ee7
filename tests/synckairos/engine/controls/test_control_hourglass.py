"""Hourglass: what one of two clocks loses the other one gains."""

import pytest

from synckairos.engine import commands as cmd
from synckairos.engine.controls import SUDDEN_DEATH
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.refusals import Problems
from tests.synckairos.engine.controls.conftest import FLAG

MINUTE = Hourglass(main_time_ms=60_000)
REFUSED = [("time_control", "An hourglass is for two clocks, and for both of them.")]


@pytest.fixture
def glass(session):
    """A session of two with an hourglass."""

    def make(seats="A B", **fields):
        return session("per_participant", seats, time_control=MINUTE, **fields).start(0)

    return make


def both(s, at):
    return s.left("A", at), s.left("B", at)


def test_what_one_clock_loses_the_other_gains(glass):
    s = glass()
    assert both(s, 10_000) == (50_000, 70_000)
    s.switch(10_000)
    assert both(s, 10_000) == (50_000, 70_000)
    s.switch(40_000)
    assert both(s, 40_000) == (80_000, 40_000)
    assert both(s, 45_500) == (74_500, 45_500)


@pytest.mark.parametrize("at", [0, 1, 30_000, 59_999, 60_000, 60_001, 600_000])
def test_the_sum_is_constant_also_after_the_end(glass, at):
    s = glass()
    s.look(at)
    assert sum(both(s, at)) == 120_000


def test_equality_is_the_end(glass):
    s = glass()
    s.look(59_999)
    assert not s.seat("A").has_expired
    s.look(60_000)
    assert s.happened("participant.expired") == [("participant.expired", 60_000)]
    assert both(s, 99_000) == (0, 120_000)


def test_a_flagged_clock_gives_nothing_more(glass):
    s = glass()
    s.switch(90_000)
    assert both(s, 90_000) == (0, 120_000)
    s.switch(100_000)
    assert both(s, 100_000) == (10_000, 110_000)


def test_pauses_keep_what_each_has(glass):
    s = glass()
    s.pause(10_000)
    assert both(s, 50_000) == (50_000, 70_000)
    s.resume(60_000)
    s.pause(61_000)
    s.resume(61_000)
    s.switch(62_000)
    assert both(s, 62_000) == (48_000, 72_000)


def test_the_event_of_a_switch_says_what_the_other_has_gained_since_the_stretch_began(glass):
    s = glass()
    s.pause(10_000)
    s.resume(10_000)
    s.switch(15_000)
    event = s.last("cycle.switched")
    assert (event.turn_ms, event.left_ms, event.earned_ms, event.gained_ms) == (15_000, 45_000, 0, 5_000)


def test_a_switch_taken_back_takes_back_what_the_other_has_gained(glass):
    s = glass()
    s.switch(10_000)
    s.undo(15_000)
    assert both(s, 15_000) == (45_000, 75_000)
    s.switch(20_000)
    assert both(s, 20_000) == (40_000, 80_000)


def test_an_interrupted_turn_has_given_its_time_too(glass):
    s = glass()
    s.assign_turn(10_000, "B")
    assert both(s, 10_000) == (50_000, 70_000)
    s.assign_turn(15_000, "A")
    assert both(s, 15_000) == (55_000, 65_000)


def test_an_adjustment_changes_the_sum_by_what_it_gives(glass):
    s = glass()
    s.adjust_clock(10_000, by=5_000)
    assert both(s, 10_000) == (55_000, 70_000)
    s.adjust(20_000, "B", by=-10_000)
    assert both(s, 20_000) == (45_000, 70_000)
    assert both(s, 25_000) == (40_000, 75_000)


def test_different_banks_are_allowed(glass):
    s = glass({"A": 30_000, "B": 5_000})
    s.switch(10_000)
    assert both(s, 12_000) == (22_000, 13_000)


def test_two_groups_have_an_hourglass_each_of_which_all_members_show(session):
    teams = {"A": "X", "B": "Y", "C": "X"}
    s = session("per_group", "A B C", teams=teams, time_control=MINUTE).start(0)
    assert [s.left(name, 10_000) for name in "ABC"] == [50_000, 70_000, 50_000]
    s.switch(10_000, to="B")
    s.switch(15_000, to="C")
    assert [s.left(name, 15_000) for name in "ABC"] == [55_000, 65_000, 55_000]
    s.undo(20_000)
    assert [s.left(name, 20_000) for name in "ABC"] == [60_000, 60_000, 60_000]
    assert (s.bank("X").total_time_ms, s.bank("Y").total_time_ms) == (50_000, 70_000)


@pytest.mark.parametrize(
    ("mode", "seats", "fields"),
    [
        ("per_participant", "A", {"time_control": MINUTE}),
        ("per_participant", "A B C", {"time_control": MINUTE}),
        ("per_participant", "A B", {"controls": {"A": MINUTE}}),
        ("per_group", "A B", {"time_control": MINUTE, "teams": {"A": "X", "B": "X"}}),
        ("per_group", "A B C", {"time_control": MINUTE, "teams": {"A": "X", "B": "Y", "C": "Z"}}),
    ],
)
def test_an_hourglass_is_for_two_clocks_and_for_both(session, mode, seats, fields):
    with pytest.raises(Problems) as refused:
        session(mode, seats, **fields)
    assert refused.value.problems == REFUSED


def test_no_third_clock_is_added(session, glass):
    with pytest.raises(Problems, match="An hourglass is for two clocks"):
        glass().add(1_000, "C")
    teams = {"A": "X", "B": "Y"}
    s = session("per_group", "A B", teams=teams, time_control=MINUTE)
    with pytest.raises(Problems, match="An hourglass is for two clocks"):
        s.add(0, "C", team="Z")
    s.add(0, "D", team="Y")
    assert s.left("D", 0) == 60_000


@pytest.mark.parametrize("own", [None, SUDDEN_DEATH, MINUTE], ids=["none", "sudden_death", "hourglass"])
@pytest.mark.parametrize(
    "fields",
    [
        {"time_control": MINUTE},
        {"time_control": MINUTE, "groups": {"X": 5, "Y": 5}},
        {"controls": {"A": MINUTE, "B": MINUTE}},
    ],
    ids=["session", "groups", "participants"],
)
def test_no_third_clock_is_added_with_a_control_of_its_own_either(session, ident, fields, own):
    s = session("per_participant", "A B", **fields)
    with pytest.raises(Problems, match="An hourglass is for two clocks"):
        s.do(cmd.AddParticipant(cmd.Seat(ident("C"), 60_000, None, ident("X"), time_control=own)), 0)


def test_no_third_group_is_added_to_two_with_hourglasses_of_their_own(session):
    teams, groups = {"A": "X", "B": "Y"}, {"X": 5, "Y": 5}
    s = session("per_group", "A B", teams=teams, groups=groups, controls={"X": MINUTE, "Y": MINUTE})
    with pytest.raises(Problems, match="An hourglass is for two clocks"):
        s.add(0, "C", team="Z")


def test_an_hourglass_is_not_added_to_other_clocks(session, ident):
    s = session("per_participant", "A")
    with pytest.raises(Problems, match="An hourglass is for two clocks"):
        s.do(cmd.AddParticipant(cmd.Seat(ident("B"), 60_000, time_control=MINUTE)), 0)


def test_nothing_is_earned(duel):
    assert duel(MINUTE, both=True).turns(10, 49.999, 0.001) == [50, 0.001, FLAG]
