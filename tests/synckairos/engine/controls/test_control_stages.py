"""Stages: after so many turns of one's own (or when its time is over) another time and another control are in force."""

import pytest

from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stage, Stages, Until
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.controls.time_bank import TimeBank
from tests.synckairos.engine.controls.conftest import FLAG, Shown

PLUS_30 = Fischer(increment_ms=30_000)


def stages(*rows):
    return Stages(stages=tuple(Stage(**row) for row in rows))


FIDE = stages({"time_ms": 90_000, "turns": 2, "control": PLUS_30}, {"time_ms": 30_000, "control": PLUS_30})
REPEATED = stages({"time_ms": 60_000, "turns": 2}, {"time_ms": 30_000, "turns": 1})
ALONE = stages({"time_ms": 60_000, "turns": 2})
FRESH = stages({"time_ms": 60_000, "turns": 1}, {"time_ms": 30_000, "carries_over": False})
BY_TIME = stages(
    {"time_ms": 60_000, "until": Until.TIME},
    {"time_ms": 30_000, "until": Until.TIME, "control": Fischer(increment_ms=5_000)},
    {"time_ms": 10_000, "control": Delay(delay_ms=2_000)},
)


def main(left, turns=0, stage=0):
    return Shown(left, turns=turns, stage=stage)


@pytest.mark.parametrize(
    ("control", "turns", "shown"),
    [
        (FIDE, [10, 20, 10], [main(110, 1), main(150, stage=1), main(170, stage=1)]),
        (FIDE, [90], [FLAG]),
        (FIDE, [89.999, 30.001], [main(30.001, 1), FLAG]),
        (FIDE, [10, 20, 150], [main(110, 1), main(150, stage=1), FLAG]),
        (REPEATED, [10, 10, 5, 5], [main(50, 1), main(70, 1, 1), main(95, 1, 1), main(120, 1, 1)]),
        (ALONE, [10, 10, 10, 10], [main(50, 1), main(100, 2), main(90, 1), main(140, 2)]),
        (ALONE, [10, 50], [main(50, 1), FLAG]),
        (FRESH, [10, 10, 20], [main(30, stage=1), main(20, stage=1), FLAG]),
    ],
)
def test_a_stage_begins_after_the_turns_of_the_one_before(duel, control, turns, shown):
    played = duel(control)
    assert [played.finishes(seconds) for seconds in turns] == shown


def test_a_stage_grants_its_own_time_and_not_that_of_the_stage_before(duel):
    played = duel(stages({"time_ms": 90_000, "turns": 1}, {"time_ms": 30_000, "turns": 1}, {"time_ms": 15_000}))
    assert played.turns(0, 0, 0) == [120, 135, 135]


def test_the_event_of_the_switch_says_that_a_stage_has_begun(duel):
    played = duel(FIDE)
    played.turns(10, 20)
    event = played.last_turn
    assert (event.left_ms, event.earned_ms, event.progress.stage) == (150_000, 60_000, 1)


def test_only_the_owners_own_turns_count(session):
    s = session("per_participant", "A B C", time_control=ALONE).start(0)
    for at in range(1_000, 5_000, 1_000):
        s.switch(at)
    assert [(s.progress(name).turns, s.left(name, 4_000)) for name in "ABC"] == [(2, 118_000), (1, 59_000), (1, 59_000)]


def test_a_flagged_turn_begins_no_stage(duel):
    played = duel(ALONE)
    assert played.turns(1, 59, 1) == [59, FLAG, FLAG]
    assert played.session.progress("A").turns == 1


def test_an_interrupted_turn_is_not_counted(session):
    s = session("per_participant", "A B", time_control=ALONE).start(0)
    s.switch(1_000)
    s.switch(1_000)
    s.assign_turn(2_000, "B")
    assert (s.left("A", 2_000), s.progress("A").turns) == (58_000, 1)


def test_a_switch_taken_back_takes_the_stage_back(duel):
    played = duel(FIDE)
    played.finishes(10)
    played.thinks(20)
    assert played.presses_by_mistake(after=5) == main(85, 1)
    assert played.finishes() == main(145, stage=1)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (59.999, main(0.001)),
        (60, main(30, stage=1)),
        (89.999, main(0.001, stage=1)),
        (90, main(10, stage=2)),
        (99.999, main(0.001, stage=2)),
        (100, FLAG),
    ],
)
def test_a_stage_that_ends_with_its_time_makes_way_for_the_next_within_a_turn(duel, seconds, shown):
    assert duel(BY_TIME).thinks(seconds) == shown


def test_the_control_of_a_stage_that_began_within_a_turn_holds_for_that_turn(duel):
    played = duel(BY_TIME)
    assert played.turns(70, 1) == [25, 29]
    assert played.finishes(34) == main(5, stage=2)
    assert played.finishes(6.999) == main(0.001, stage=2)


def test_the_delay_of_a_stage_counts_from_the_beginning_of_the_turn(duel):
    control = stages({"time_ms": 1_000, "until": Until.TIME}, {"time_ms": 10_000, "control": Delay(delay_ms=3_000)})
    played = duel(control)
    assert played.thinks(1) == main(10, stage=1)
    assert played.thinks(2) == main(10, stage=1)
    assert played.thinks(1) == main(9, stage=1)


def test_turns_are_not_counted_in_a_stage_that_ends_with_its_time(duel):
    assert duel(BY_TIME).turns(1, 1, 1) == [59, 58, 57]


@pytest.mark.parametrize(
    ("last", "steps", "shown"),
    [
        (
            ByoYomi(periods=2, period_ms=10_000),
            [90, 9, 10],
            [Shown(10, "byo_yomi", 2, 0, 1)] * 2 + [Shown(10, "byo_yomi", 1, 0, 1)],
        ),
        (
            Canadian(turns=2, period_ms=10_000),
            [89, 5, 1],
            [main(1, stage=1), Shown(6, "block", 0, 1, 1), Shown(10, "block", 0, 2, 1)],
        ),
        (Overtime(max_overtime_ms=60_000), [95], [Shown(55, "overtime", stage=1)]),
        (
            TimeBank(allowance_ms=5_000),
            [10, 89.999],
            [Shown(5, "allowance", 0, 0, 1, 85), Shown(5, "allowance", 0, 0, 1, 0.001)],
        ),
        (Bronstein(delay_ms=5_000), [10, 3], [main(85, stage=1), main(85, stage=1)]),
        (PerTurn(time_ms=5_000), [4, 4.999], [main(5, stage=1), main(5, stage=1)]),
    ],
)
def test_the_last_stage_may_have_any_control(duel, last, steps, shown):
    played = duel(stages({"time_ms": 60_000, "turns": 1}, {"time_ms": 30_000, "control": last}))
    played.finishes()
    assert [played.finishes(seconds) for seconds in steps] == shown


def test_a_single_stage_may_have_phases(duel):
    played = duel(stages({"time_ms": 10_000, "control": ByoYomi(periods=1, period_ms=5_000)}))
    assert played.thinks(12) == Shown(3, "byo_yomi", 1)
    assert played.thinks(3) == FLAG


def test_points_of_overtime_are_told_in_a_stage_too(duel):
    played = duel(stages({"time_ms": 10_000, "control": Overtime(max_overtime_ms=60_000)}))
    played.finishes(11)
    assert played.last_turn.penalty_points == 10


def test_a_pause_ends_no_stage(duel):
    played = duel(FIDE)
    played.thinks(10)
    assert played.pauses(100) == main(80, 2)


def test_the_main_time_is_that_of_the_first_stage_unless_the_owner_has_its_own(duel):
    assert duel(FIDE).shown() == main(90, 2)
    assert duel(FIDE, main=20).turns(10, 10) == [40, 90]


def test_the_increment_before_the_first_turn_is_that_of_the_first_stage(duel):
    early = Fischer(increment_ms=5_000, increment_before_first_turn=True)
    played = duel(stages({"time_ms": 60_000, "turns": 1, "control": early}, {"time_ms": 30_000, "control": early}))
    assert played.shown() == main(65, 1)
    assert played.turns(0, 0) == [100, 105]


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ([{"turns": 2}, {}], []),
        ([{"turns": 2}], []),
        ([{"until": Until.TIME}], []),
        ([{}, {}], [("stages.0.turns", "Required, unless the stage is the last or ends with its time.")]),
        (
            [{"turns": 2, "until": Until.TIME}, {}],
            [("stages.0.turns", "A stage ends either after its turns or with its time.")],
        ),
        ([{"control": Hourglass()}], [("stages.0.control", "An hourglass has no stages.")]),
        (
            [{"turns": 2}, {"control": SuddenDeath(main_time_ms=5)}],
            [("stages.1.control.main_time_ms", "A stage has its time in time_ms.")],
        ),
        *(
            (
                [{"turns": 2, "control": control}, {}],
                [("stages.0.control", "Only the last stage, without turns, has a control with phases.")],
            )
            for control in (
                ByoYomi(periods=1, period_ms=5),
                Canadian(turns=1, period_ms=5),
                TimeBank(allowance_ms=5),
                Overtime(max_overtime_ms=5),
            )
        ),
        (
            [{"turns": 2, "control": Canadian(turns=1, period_ms=5)}],
            [("stages.0.control", "Only the last stage, without turns, has a control with phases.")],
        ),
    ],
)
def test_rules_between_the_fields_of_stages(rows, problems):
    assert stages(*({"time_ms": 1_000} | row for row in rows)).problems() == problems


def test_the_quota_of_lag_is_sized_by_the_first_stage():
    assert FIDE.expected_ms(90_000) == 90_000 + 40 * 30_000
