"""A switch taken back: the turn returns, with its time, and all is as if it had not been pressed."""

import pytest
from msgspec.structs import replace

from synckairos.engine import evolve
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.canadian import Canadian
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.stages import Stage, Stages
from synckairos.engine.controls.time_bank import TimeBank
from synckairos.engine.events import CycleUndone
from synckairos.engine.refusals import NothingToUndo, VersionMismatch, WrongStatus

MODES = {
    "per_participant": {},
    "per_group": {"teams": {"A": "X", "B": "Y", "C": "X"}},
    "per_cycle": {"time_per_cycle_ms": 30_000},
    "global": {"total_time_ms": 60_000},
    "count_up": {"max_time_ms": 90_000},
}
IN_EVERY_MODE = pytest.mark.parametrize("mode", MODES)
CONTROLS = {
    "fischer": Fischer(main_time_ms=10_000, increment_ms=2_000),
    "byo_yomi": ByoYomi(main_time_ms=3_000, periods=3, period_ms=5_000),
    "canadian": Canadian(main_time_ms=3_000, turns=1, period_ms=20_000),
    "time_bank": TimeBank(main_time_ms=20_000, allowance_ms=2_000),
    "hourglass": Hourglass(main_time_ms=10_000),
    "stages": Stages(stages=(Stage(time_ms=10_000, turns=1), Stage(time_ms=10_000))),
}


def as_before(state):
    """Return a state without what tells that something has happened."""
    return replace(state, version=0, sequence=0, updated_ms=0, last_switch=None)


def check_as_if_not_pressed(s, at, *, undone_ms):
    before = s.state
    s.switch(at)
    assert as_before(s.state) != as_before(before)
    s.undo(undone_ms)
    assert as_before(s.state) == as_before(before)
    assert s.state == s.replayed()


@IN_EVERY_MODE
def test_all_is_as_before_in_every_mode(session, mode):
    s = session(mode, "A B C", **MODES[mode]).start(0)
    s.switch(4_000)
    check_as_if_not_pressed(s, 9_000, undone_ms=11_000)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_all_is_as_before_under_every_control(session, mode, control):
    teams = {"A": "X", "B": "Y"} if mode == "per_group" else {}
    s = session(mode, teams=teams, time_control=CONTROLS[control]).start(0)
    s.look(4_000)
    check_as_if_not_pressed(s, 4_000, undone_ms=4_500)


@IN_EVERY_MODE
def test_the_time_since_is_that_of_the_returned_turn(session, mode):
    s = session(mode, "A B C", **MODES[mode]).start(0)
    s.switch(4_000)
    s.switch(9_000)
    s.undo(11_000)
    assert s.active == "B"
    assert [s.used(name, 12_000) for name in "ABC"] == [4_000, 8_000, 0]
    assert [s.seat(name).cycle_count for name in "ABC"] == [1, 0, 0]
    assert s.state.cycle.number == 1
    s.complete(12_000)
    assert s.state.running_ms == 12_000


def test_banks_are_as_they_were_and_the_increment_is_earned_once(session):
    s = session("per_participant", increment_ms=2_000).start(0)
    s.switch(10_000)
    assert s.left("A", 10_000) == 52_000
    s.undo(15_000)
    assert (s.left("A", 15_000), s.left("B", 15_000)) == (45_000, 60_000)
    s.switch(20_000)
    assert (s.left("A", 20_000), s.left("B", 20_000)) == (42_000, 60_000)


def test_the_two_clocks_are_not_swapped(session):
    s = session("per_participant", {"A": 60_000, "B": 30_000}).start(0)
    s.switch(10_000)
    s.undo(15_000)
    assert (s.active, s.deadline) == ("A", ("expiry", 60_000))
    s.switch(20_000)
    assert (s.active, s.deadline) == ("B", ("expiry", 50_000))


def test_the_returned_clock_still_runs_out(session):
    s = session("per_participant", {"A": 10_000, "B": 60_000}, on_timeout="end_session").start(0)
    s.switch(9_000)
    s.undo(9_500)
    s.look(90_000)
    assert (s.status, s.state.completed_ms) == ("expired", 10_000)


@pytest.mark.parametrize("at", [10_000, 10_001, 25_000])
def test_a_clock_that_has_less_than_the_time_since_expires_at_that_instant(session, at):
    s = session("per_participant", {"A": 10_000, "B": 60_000}).start(0)
    s.switch(9_000)
    s.undo(at)
    assert s.happened()[1:] == [("cycle.switched", 9_000), ("cycle.undone", at), ("participant.expired", at)]
    assert (s.read(at).overtime_ms, s.used("A", at), s.left("A", at)) == (at - 10_000, at, 0)


def test_a_switch_in_a_turn_that_was_paused_is_taken_back_with_both_parts_of_the_turn(session):
    s = session("per_participant").start(0)
    s.pause(3_000)
    s.resume(50_000)
    check_as_if_not_pressed(s, 51_000, undone_ms=52_000)
    assert (s.left("A", 52_000), s.used("A", 52_000)) == (55_000, 5_000)


def test_a_switch_of_a_flagged_turn_is_taken_back_with_its_overtime(session):
    s = session("per_participant", {"A": 5_000, "B": 60_000}).start(0)
    s.look(7_000)
    check_as_if_not_pressed(s, 7_000, undone_ms=8_000)
    assert (s.read(8_000).overtime_ms, s.seat("A").has_expired, s.deadline) == (3_000, True, None)


def test_the_event_names_whose_turn_it_was_and_whose_it_is(session, ident):
    s = session("per_participant").start(0)
    s.switch(1_000)
    decision = s.undo(2_000, "a slip of the hand")
    (event,) = decision.events
    assert (event.name, event.at_ms, event.version) == ("cycle.undone", 2_000, 4)
    assert (event.from_participant_id, event.to_participant_id) == (ident("B"), ident("A"))
    assert event.reason == "a slip of the hand"


def test_a_switch_to_a_named_participant_is_taken_back_too(session):
    s = session("per_participant", "A B C").start(0)
    s.switch(1_000, to="C")
    s.undo(2_000)
    assert s.active == "A"
    s.switch(3_000, to="A")
    s.undo(4_000)
    assert (s.active, s.seat("A").cycle_count, s.used("A", 4_000)) == ("A", 0, 4_000)


def test_one_clock_without_participants_is_given_its_lap_back(session):
    s = session("count_up", "").start(0)
    s.switch(1_000)
    s.undo(3_000)
    assert (s.active, s.state.cycle.number, s.state.cycle.started_ms, s.state.running_ms) == (None, 0, 0, 0)
    event = s.last("cycle.undone")
    assert (event.from_participant_id, event.to_participant_id) == (None, None)


def test_only_the_last_switch_is_taken_back_and_only_once(session):
    s = session("per_participant", "A B C").start(0)
    s.switch(1_000)
    s.switch(2_000)
    s.undo(3_000)
    assert s.active == "B"
    with pytest.raises(NothingToUndo):
        s.undo(3_000)
    s.switch(4_000)
    s.undo(5_000)
    assert (s.active, s.used("B", 5_000)) == ("B", 4_000)


def test_there_is_nothing_to_take_back_before_the_first_switch(session):
    with pytest.raises(NothingToUndo):
        session("per_participant").start(0).undo(1_000)


@pytest.mark.parametrize(
    "between",
    [
        lambda s: s.adjust(2_000, "A", by=1),
        lambda s: s.adjust_clock(2_000, by=1),
        lambda s: s.adjust_clock(2_000, at_least=90_000),
        lambda s: s.assign_turn(2_000, "C"),
        lambda s: s.assign(2_000, "A", "carol"),
        lambda s: s.revoke(2_000),
        lambda s: s.add(2_000, "D"),
        lambda s: (s.pause(2_000), s.resume(2_000)),
        lambda s: s.look(61_000),
    ],
    ids=["adjust", "adjust_clock", "extend", "assign_turn", "assign", "revoke", "add", "pause", "expiry"],
)
def test_a_switch_stays_when_something_else_has_happened_since(session, between):
    s = session("per_participant", "A B C").start(0)
    s.switch(1_000)
    between(s)
    before = s.state
    with pytest.raises(NothingToUndo):
        s.undo(61_000)
    assert s.state == before


def test_a_switch_that_another_followed_at_a_deadline_stays(session):
    s = session("per_participant", {"A": 9_000, "B": 2_000}, on_timeout="skip_cycle").start(0)
    s.switch(1_000)
    s.look(3_000)
    assert s.active == "A"
    with pytest.raises(NothingToUndo):
        s.undo(3_500)


def test_what_changes_nothing_and_a_warning_come_not_between(session):
    s = session("per_participant", warn_at=[58_000]).start(0)
    s.switch(1_000)
    s.adjust_clock(1_500, at_least=1_000)
    s.assign_turn(1_500, "B")
    s.look(3_000)
    assert s.happened("participant.warned") == [("participant.warned", 3_000)]
    s.undo(3_500)
    assert s.active == "A"


def test_thresholds_that_the_returned_turn_has_reached_since_are_warned_for(session):
    s = session("per_participant", {"A": 10_000, "B": 60_000}, warn_at=[8_000, 5_000, 1_000]).start(0)
    s.switch(3_000)
    assert [e.threshold_ms for e in s.events if e.name == "participant.warned"] == [8_000]
    s.undo(6_000)
    warned = [(e.threshold_ms, e.at_ms, e.time_remaining_ms) for e in s.events if e.name == "participant.warned"]
    assert warned == [(8_000, 2_000, 8_000), (5_000, 6_000, 4_000)]


@pytest.mark.parametrize("status", ["pending", "paused", "completed"])
def test_only_a_running_session_takes_a_switch_back(session, status):
    s = session("per_participant")
    if status != "pending":
        s.start(0)
        s.switch(1_000)
        s.pause(2_000) if status == "paused" else s.complete(2_000)
    with pytest.raises(WrongStatus, match="cannot undo a switch of a session that is"):
        s.undo(3_000)


def test_a_switch_is_taken_back_at_the_version_that_was_seen(session):
    s = session("per_participant").start(0)
    s.switch(1_000)
    with pytest.raises(VersionMismatch):
        s.undo(2_000, expected_version=2)
    s.undo(2_000, expected_version=3)
    assert s.version == 4


def test_the_clock_of_the_store_may_have_gone_back(session):
    s = session("per_participant").start(5_000)
    s.switch(9_000)
    s.undo(7_000)
    assert (s.last("cycle.undone").at_ms, s.used("A", 9_000), s.left("A", 9_000)) == (9_000, 4_000, 56_000)


def test_a_history_in_which_nothing_was_switched_has_nothing_to_take_back(session):
    s = session("per_participant").start(0)
    with pytest.raises(ValueError, match=r"cycle\.undone without a switch"):
        evolve(s.state, CycleUndone(3, 3, 1_000, None, None))
