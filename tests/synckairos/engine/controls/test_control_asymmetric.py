"""Asymmetric controls: each participant, or each group, may have another one (odds games)."""

import pytest

from synckairos.engine import commands as cmd
from synckairos.engine.controls import MAIN
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.stages import Stage, Stages
from synckairos.engine.refusals import Problems

FISCHER = Fischer(main_time_ms=60_000, increment_ms=2_000)
BYO_YOMI = ByoYomi(main_time_ms=5_000, periods=2, period_ms=3_000)


def test_each_clock_runs_by_the_control_of_its_owner(session):
    s = session("per_participant", dict.fromkeys("AB"), controls={"A": FISCHER, "B": BYO_YOMI}).start(0)
    assert (s.left("A", 0), s.left("B", 0)) == (60_000, 5_000)
    s.switch(10_000)
    assert s.left("A", 10_000) == 52_000
    s.switch(16_000)
    assert (s.left("B", 16_000), s.progress("B").phase, s.progress("B").periods) == (3_000, "byo_yomi", 2)
    s.switch(20_000)
    assert s.left("A", 20_000) == 50_000
    s.look(26_000)
    assert s.happened("participant.expired") == [("participant.expired", 26_000)]
    assert (s.seat("A").has_expired, s.seat("B").has_expired) == (False, True)


def test_who_has_no_control_of_its_own_plays_by_that_of_the_session(session):
    s = session("per_participant", dict.fromkeys("AB"), time_control=FISCHER, controls={"B": BYO_YOMI}).start(0)
    s.switch(1_000)
    s.switch(2_000)
    assert (s.left("A", 2_000), s.left("B", 2_000)) == (61_000, 4_000)


def test_the_increment_in_milliseconds_is_for_those_without_a_control_of_their_own(session):
    s = session("per_participant", {"A": 9_000, "B": 9_000}, increment_ms=500, controls={"B": Delay(delay_ms=5_000)})
    s.start(0)
    s.switch(1_000)
    s.switch(3_000)
    assert (s.left("A", 3_000), s.left("B", 3_000)) == (8_500, 9_000)


def test_groups_may_have_other_controls(session):
    s = session(
        "per_group",
        dict.fromkeys("ABC"),
        teams={"A": "X", "B": "Y", "C": "X"},
        groups={"X": None, "Y": None},
        controls={"X": FISCHER, "Y": BYO_YOMI},
    ).start(0)
    s.switch(10_000, to="B")
    s.switch(16_000, to="C")
    assert [s.left(name, 17_000) for name in "ABC"] == [51_000, 3_000, 51_000]
    assert (s.bank("Y").progress or MAIN) == s.progress("B")
    assert (s.progress("B").phase, s.progress("A").phase) == ("byo_yomi", "main")


def test_a_newcomer_brings_its_control(session, ident):
    s = session("per_participant", {"A": 60_000}).start(0)
    s.do(cmd.AddParticipant(cmd.Seat(ident("B"), None, time_control=BYO_YOMI)), 1_000)
    s.switch(2_000)
    s.switch(8_000)
    assert (s.left("B", 8_000), s.progress("B").phase) == (3_000, "byo_yomi")


@pytest.mark.parametrize(
    ("control", "shown"),
    [
        (BYO_YOMI, (5_000, "main", 0)),
        (ByoYomi(main_time_ms=0, periods=2, period_ms=3_000), (3_000, "byo_yomi", 0)),
        (Stages(stages=(Stage(time_ms=7_000, turns=5),)), (7_000, "main", 5)),
        (Fischer(main_time_ms=7_000, increment_ms=500, increment_before_first_turn=True), (7_500, "main", 0)),
        (PerTurn(time_ms=4_000), (4_000, "main", 0)),
    ],
)
@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_a_newcomer_begins_as_those_who_were_there_from_the_beginning(session, mode, control, shown):
    teams = {"A": "X", "B": "Y"} if mode == "per_group" else {}
    s = session(mode, "A B", teams=teams, time_control=control).start(0)
    s.add(0, "C", None, team="Z")
    assert s.progress("C") == s.progress("A") == s.progress("B")
    assert (s.left("C", 0), s.progress("C").phase, s.progress("C").turns) == shown
    if mode == "per_group":
        assert (s.bank("Z").total_time_ms, s.bank("Z").progress or MAIN) == (shown[0], s.progress("C"))


@pytest.mark.parametrize(
    ("mode", "seats", "fields", "problems"),
    [
        (
            "per_cycle",
            "A B",
            {"controls": {"A": FISCHER}},
            [("participants.0.time_control", "Only in per_participant mode.")],
        ),
        (
            "global",
            "A B",
            {"controls": {"B": FISCHER}},
            [("participants.1.time_control", "Only in per_participant mode.")],
        ),
        (
            "per_group",
            "A B",
            {"teams": {"A": "X", "B": "X"}, "controls": {"A": FISCHER}},
            [("participants.0.time_control", "Only in per_participant mode.")],
        ),
        (
            "per_participant",
            "A B",
            {"groups": {"X": 5}, "controls": {"X": FISCHER}},
            [("groups.0.time_control", "Only in per_group mode.")],
        ),
        (
            "per_participant",
            {"A": None, "B": 5},
            {},
            [("participants.0.total_time_ms", "This field is required.")],
        ),
        (
            "per_participant",
            {"A": None, "B": 5},
            {"controls": {"A": Fischer(increment_ms=5)}},
            [("participants.0.total_time_ms", "This field is required.")],
        ),
        (
            "per_participant",
            "A B",
            {"increment_ms": 5, "time_control": FISCHER},
            [("increment_ms", "Give either increment_ms or time_control.")],
        ),
        (
            "per_participant",
            "A B",
            {"controls": {"B": Stages(stages=(Stage(time_ms=5), Stage(time_ms=5)))}},
            [
                (
                    "participants.1.time_control.stages.0.turns",
                    "Required, unless the stage is the last or ends with its time.",
                )
            ],
        ),
        (
            "per_participant",
            "A B",
            {"controls": {"B": Hourglass()}},
            [("time_control", "An hourglass is for two clocks, and for both of them.")],
        ),
        (
            "per_cycle",
            "A B",
            {"time_control": FISCHER},
            [("time_control", "In per_cycle mode time_per_cycle_ms is the time control.")],
        ),
        (
            "global",
            "A B",
            {"time_control": FISCHER},
            [("time_control", "Each clock of this mode is common: it has no time control.")],
        ),
        (
            "count_up",
            "A B",
            {"time_control": FISCHER},
            [("time_control", "Each clock of this mode is common: it has no time control.")],
        ),
    ],
)
def test_where_a_time_control_has_no_meaning_it_is_refused(session, mode, seats, fields, problems):
    with pytest.raises(Problems) as refused:
        session(mode, seats, time_per_cycle_ms=9_000, total_time_ms=9_000, **fields)
    assert refused.value.problems == problems
