"""Phases of a clock: each begins at its own instant, however late anybody looks."""

import pytest

from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.stages import Stage, Stages, Until
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.refusals import NothingToUndo, Unsettled

HOUR = 3_600_000
JAPANESE = ByoYomi(main_time_ms=10_000, periods=3, period_ms=5_000)
POKER = TimeBank(main_time_ms=8_000, allowance_ms=4_000)
SCRABBLE = Overtime(main_time_ms=10_000, max_overtime_ms=30_000, penalty_period_ms=10_000)


def phases(s):
    """(name of the phase, time left in it, instant) of each change."""
    return [(e.progress.phase, e.left_ms, e.at_ms) for e in s.events if e.name == "clock.phase_changed"]


def shown(s, name, at):
    return s.progress(name).phase, s.progress(name).periods, s.left(name, at)


def test_each_phase_begins_at_its_own_instant_though_nobody_looked_for_an_hour(session):
    s = session("per_participant", time_control=JAPANESE, on_timeout="skip_cycle").start(0)
    before = s.version
    s.look(HOUR)
    assert s.happened()[1:] == [
        ("clock.phase_changed", 10_000),
        ("clock.phase_changed", 15_000),
        ("clock.phase_changed", 20_000),
        ("participant.expired", 25_000),
        ("cycle.switched", 25_000),
        ("clock.phase_changed", 35_000),
        ("clock.phase_changed", 40_000),
        ("clock.phase_changed", 45_000),
        ("participant.expired", 50_000),
        ("session.expired", 50_000),
    ]
    assert s.version - before == 8
    assert (s.status, s.used("A", HOUR), s.used("B", HOUR)) == ("expired", 25_000, 25_000)


def test_each_phase_is_a_version_of_its_own(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.look(16_000)
    assert [(e.version, e.sequence) for e in s.events[2:]] == [(3, 3), (4, 4)]


def test_to_look_often_is_to_look_once(session):
    often, once = (session("per_participant", time_control=JAPANESE, warn_at=[2_000]).start(0) for _ in range(2))
    for at in range(0, 30_000, 7):
        often.look(at)
    once.look(29_999)
    assert often.state == once.state
    assert often.events == once.events


def test_the_deadline_of_a_phase_is_not_that_of_the_clock(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    kinds = []
    for _ in range(4):
        kinds.append(s.deadline)
        s.look(s.deadline[1])
    assert kinds == [("phase", 10_000), ("phase", 15_000), ("phase", 20_000), ("expiry", 25_000)]
    assert s.deadline is None


def test_a_phase_without_time_is_none(session):
    s = session("per_participant", {"A": 0, "B": 0}, time_control=POKER).start(0)
    assert s.deadline == ("expiry", 4_000)


@pytest.mark.parametrize(
    ("at", "left", "deadline"), [(9_999, 1, 10_000), (10_000, 5_000, 15_000), (14_999, 1, 15_000), (24_999, 1, 25_000)]
)
def test_a_screen_counts_down_to_the_end_of_the_phase(session, at, left, deadline):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.look(at)
    reading = s.read(at)
    assert (reading.time_remaining_ms, reading.deadline_ms, reading.overtime_ms) == (left, deadline, 0)
    assert reading.drains_from_ms == deadline - (10_000 if deadline == 10_000 else 5_000)


def test_a_switch_at_the_very_end_of_a_phase_comes_within_the_next(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.switch(15_000)
    assert s.happened()[1:] == [
        *(("clock.phase_changed", 10_000), ("clock.phase_changed", 15_000), ("cycle.switched", 15_000)),
    ]
    assert shown(s, "A", 15_000) == ("byo_yomi", 2, 5_000)


def test_time_used_spans_the_phases_of_a_turn(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.switch(17_000)
    assert (s.used("A", 17_000), s.last("cycle.switched").turn_ms) == (17_000, 17_000)
    s.complete(20_000)
    assert s.state.running_ms == 20_000 == sum(seat.time_used_ms for seat in s.state.participants)


def test_a_pause_within_a_period_keeps_what_is_left_of_it(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.pause(13_000)
    assert s.deadline is None
    assert shown(s, "A", 90_000) == ("byo_yomi", 3, 2_000)
    s.resume(100_000)
    assert s.deadline == ("phase", 102_000)
    s.pause(101_000)
    s.resume(200_000)
    s.look(201_000)
    assert phases(s)[1:] == [("byo_yomi", 5_000, 201_000)]
    assert s.used("A", 201_000) == 15_000


def test_a_pause_at_the_very_end_of_a_phase_comes_within_the_next(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.pause(10_000)
    assert [kind for kind, _ in s.happened()[1:]] == ["clock.phase_changed", "session.paused"]
    assert shown(s, "A", 10_000) == ("byo_yomi", 3, 5_000)


def test_thresholds_of_warnings_are_reached_in_each_phase_anew(session):
    s = session("per_participant", time_control=JAPANESE, warn_at=[6_000, 2_000]).start(0)
    s.look(HOUR)
    assert s.happened("participant.warned", "clock.phase_changed", "participant.expired") == [
        ("participant.warned", 4_000),
        ("participant.warned", 8_000),
        ("clock.phase_changed", 10_000),
        ("participant.warned", 13_000),
        ("clock.phase_changed", 15_000),
        ("participant.warned", 18_000),
        ("clock.phase_changed", 20_000),
        ("participant.warned", 23_000),
        ("participant.expired", 25_000),
    ]


def test_a_phase_that_begins_at_a_threshold_has_reached_it(session):
    s = session("per_participant", time_control=JAPANESE, warn_at=[5_000]).start(0)
    s.look(10_000)
    assert s.happened("participant.warned") == [("participant.warned", 5_000), ("participant.warned", 10_000)]


def test_a_group_changes_its_phase_for_all_members(session, ident):
    s = session("per_group", "A B C", teams={"A": "X", "B": "Y", "C": "X"}, time_control=JAPANESE).start(0)
    s.look(12_000)
    event = s.last("clock.phase_changed")
    assert (event.participant_id, event.group_id) == (ident("A"), ident("X"))
    assert [s.progress(name).phase for name in "ABC"] == ["byo_yomi", "main", "byo_yomi"]
    assert [s.left(name, 12_000) for name in "ABC"] == [3_000, 10_000, 3_000]


def test_the_end_of_the_last_phase_is_that_of_the_clock_whatever_follows(session, ident):
    s = session("per_participant", time_control=JAPANESE, on_timeout="end_session").start(0)
    s.look(HOUR)
    assert (s.status, s.state.completed_ms, s.last("session.expired").winner) == ("expired", 25_000, ident("B"))


def test_overtime_under_notify_grows_from_the_end_of_the_last_phase(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.look(30_000)
    assert (s.read(30_000).overtime_ms, s.read(30_000).time_remaining_ms) == (5_000, 0)


def test_more_phases_than_one_decision_applies_are_applied_in_portions(session):
    control = ByoYomi(main_time_ms=0, periods=1_000, period_ms=1)
    s = session("per_participant", time_control=control).start(0)
    with pytest.raises(Unsettled):
        s.switch(500)
    assert len(s.look(500).events) == 256
    assert len(s.look(500).events) == 244
    s.switch(500)
    assert shown(s, "A", 500) == ("byo_yomi", 500, 1)


# Adjustments.


def test_a_change_of_the_running_clock_keeps_its_phase(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.adjust_clock(12_000, to=60_000)
    assert shown(s, "A", 12_000) == ("byo_yomi", 3, 60_000)
    assert s.deadline == ("phase", 72_000)
    s.look(72_000)
    assert shown(s, "A", 72_000) == ("byo_yomi", 2, 5_000)


def test_all_time_taken_from_a_phase_begins_the_next_at_that_instant(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    decision = s.adjust_clock(3_000, to=0)
    assert [e.name for e in decision.events] == ["clock.adjusted", "clock.phase_changed"]
    assert shown(s, "A", 3_000) == ("byo_yomi", 3, 5_000)


def test_all_time_taken_from_the_last_phase_is_the_end(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    decision = s.adjust_clock(21_000, by=-HOUR)
    assert [e.name for e in decision.events] == [
        *["clock.phase_changed"] * 3,
        "clock.adjusted",
        "participant.expired",
    ]


def test_a_waiting_clock_is_changed_in_its_phase(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.switch(12_000)
    s.adjust(13_000, "A", by=2_000)
    assert shown(s, "A", 13_000) == ("byo_yomi", 3, 7_000)


# A switch that is taken back may give a clock more time than there was left in its phase.


def test_time_beyond_the_end_of_a_phase_is_charged_to_the_next(session):
    s = session("per_participant", time_control=JAPANESE).start(0)
    s.switch(8_000)
    s.undo(13_000)
    assert phases(s) == [("byo_yomi", 2_000, 13_000)]
    assert (s.used("A", 13_000), s.deadline) == (13_000, ("phase", 15_000))


def test_phases_that_have_passed_since_are_passed_over(session):
    s = session("per_participant", {"A": 10_000, "B": 90_000}, time_control=JAPANESE).start(0)
    s.switch(8_000)
    s.undo(21_000)
    assert phases(s) == [("byo_yomi", 4_000, 21_000)]
    assert s.progress("A").periods == 1
    s.look(HOUR)
    assert s.happened("participant.expired") == [("participant.expired", 25_000)]


@pytest.mark.parametrize(
    ("at", "shown_then"),
    [
        (9_999, ("main", 0, 1)),
        (10_000, ("byo_yomi", 3, 5_000)),
        (15_000, ("byo_yomi", 2, 5_000)),
        (20_000, ("byo_yomi", 1, 5_000)),
        (24_999, ("byo_yomi", 1, 1)),
    ],
)
def test_the_phase_is_that_in_which_the_clock_would_be_without_the_switch(session, at, shown_then):
    s = session("per_participant", {"A": 10_000, "B": 90_000}, time_control=JAPANESE).start(0)
    s.switch(8_000)
    s.undo(at)
    assert shown(s, "A", at) == shown_then


@pytest.mark.parametrize("at", [25_000, 25_001, 80_000])
def test_beyond_the_end_of_all_phases_the_clock_ends_in_its_last(session, at):
    s = session("per_participant", {"A": 10_000, "B": 90_000}, time_control=JAPANESE).start(0)
    s.switch(8_000)
    s.undo(at)
    assert s.happened()[2:] == [
        *(("cycle.undone", at), ("clock.phase_changed", at), ("participant.expired", at)),
    ]
    assert shown(s, "A", at) == ("byo_yomi", 1, 0)
    assert s.used("A", at) == at


def test_the_points_of_an_overtime_that_has_passed_since_are_told(session):
    s = session("per_participant", {"A": 10_000, "B": 90_000}, time_control=SCRABBLE).start(0)
    s.switch(8_000)
    s.undo(70_000)
    assert s.last("participant.expired").penalty_points == 30
    s.switch(71_000)
    assert s.last("cycle.switched").penalty_points == 30


def test_stages_that_have_passed_since_are_passed_over(session):
    stages = Stages(
        stages=(
            Stage(time_ms=10_000, until=Until.TIME),
            Stage(time_ms=5_000, until=Until.TIME),
            Stage(time_ms=5_000, control=Canadian(turns=3, period_ms=5_000)),
        )
    )
    s = session("per_participant", time_control=stages, controls={"B": POKER}).start(0)
    s.switch(9_000)
    s.undo(12_000)
    assert (s.progress("A").stage, s.left("A", 12_000)) == (1, 3_000)


def test_a_phase_of_the_other_clock_since_then_leaves_nothing_to_take_back(session):
    s = session("per_participant", time_control=POKER).start(0)
    s.switch(1_000)
    with pytest.raises(NothingToUndo):
        s.undo(5_000)
