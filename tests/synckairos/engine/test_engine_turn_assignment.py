"""The turn given to a participant by an official; the turn that this interrupts does not count."""

import pytest

from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.delay import Delay
from synckairos.engine.refusals import NoSuchParticipant, WrongStatus

MODES = {
    "per_participant": {},
    "per_group": {"teams": {"A": "X", "B": "Y", "C": "X"}},
    "per_cycle": {"time_per_cycle_ms": 60_000},
    "global": {"total_time_ms": 60_000},
    "count_up": {"max_time_ms": 60_000},
}
IN_EVERY_MODE = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def three(session):
    """A session of A, B and C in a mode, with 60 s on the clock that runs."""
    return lambda mode, **fields: session(mode, "A B C", **{**MODES[mode], **fields})


@IN_EVERY_MODE
def test_the_turn_is_given_and_its_clock_runs(three, mode):
    s = three(mode).start(0)
    s.assign_turn(10_000, "C")
    assert (s.active, s.status) == ("C", "running")
    left = {"per_participant": 60_000, "per_cycle": 60_000}.get(mode, 50_000)
    assert (s.left("C", 10_000), s.deadline) == (left, ("expiry", 10_000 + left))


@IN_EVERY_MODE
def test_time_that_was_used_stays_used_but_no_cycle_has_ended(three, mode):
    s = three(mode).start(0)
    s.assign_turn(10_000, "B")
    assert (s.used("A", 10_000), s.seat("A").cycle_count, s.state.cycle.number) == (10_000, 0, 0)
    assert (s.state.running_ms, s.state.cycle.elapsed_ms) == (10_000, 0)
    s.switch(15_000)
    assert [s.used(name, 16_000) for name in "ABC"] == [10_000, 5_000, 1_000]
    assert [s.seat(name).cycle_count for name in "ABC"] == [0, 1, 0]
    assert s.state.cycle.number == 1


@IN_EVERY_MODE
def test_before_the_start_it_changes_who_begins(three, mode, ident):
    s = three(mode)
    s.assign_turn(5, "B", "drawn by lot")
    assert (s.status, s.active) == ("pending", None)
    event = s.last("cycle.assigned")
    assert (event.from_participant_id, event.to_participant_id) == (ident("A"), ident("B"))
    assert (event.left_ms, event.progress, event.reason) == (None, None, "drawn by lot")
    s.start(100)
    assert (s.active, s.last("session.started").participant_id) == ("B", ident("B"))
    assert s.left("B", 100) == 60_000


@IN_EVERY_MODE
def test_a_pause_goes_on_and_the_turn_begins_after_it(three, mode):
    s = three(mode).start(0)
    s.pause(10_000)
    s.assign_turn(20_000, "B")
    assert (s.status, s.active, s.deadline) == ("paused", "B", None)
    assert s.look(50_000).events == ()
    s.resume(60_000)
    s.switch(65_000)
    assert [s.used(name, 65_000) for name in "AB"] == [10_000, 5_000]
    assert s.last("cycle.switched").turn_ms == 5_000


@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_the_interrupted_turn_earns_nothing(three, mode, ident):
    s = three(mode, increment_ms=2_000).start(0)
    s.assign_turn(10_000, "B", "it is her turn")
    assert (s.left("A", 10_000), s.left("B", 10_000)) == (50_000, 60_000)
    event = s.last("cycle.assigned")
    assert (event.from_participant_id, event.to_participant_id) == (ident("A"), ident("B"))
    assert (event.left_ms, event.progress, event.reason) == (50_000, None, "it is her turn")
    s.switch(11_000)
    assert s.left("B", 11_000) == 61_000


def test_the_interrupted_period_begins_anew_but_lost_ones_stay_lost(session):
    s = session("per_participant", time_control=ByoYomi(main_time_ms=5_000, periods=3, period_ms=4_000)).start(0)
    s.assign_turn(11_000, "B")
    assert (s.left("A", 11_000), s.progress("A").periods) == (4_000, 2)
    assert s.last("cycle.assigned").progress == s.progress("A")


def test_a_turn_that_is_given_back_begins_anew(session):
    s = session("per_participant", time_control=Delay(main_time_ms=60_000, delay_ms=5_000)).start(0)
    s.assign_turn(4_000, "B")
    s.assign_turn(4_000, "A")
    assert s.read(4_000).drains_from_ms == 9_000
    s.switch(10_000)
    assert (s.left("A", 10_000), s.used("A", 10_000)) == (59_000, 10_000)


def test_within_a_group_the_bank_goes_on(three):
    s = three("per_group").start(0)
    s.assign_turn(10_000, "C")
    s.assign_turn(15_000, "B")
    assert [s.left(name, 15_000) for name in "ABC"] == [45_000, 60_000, 45_000]
    assert [s.used(name, 15_000) for name in "ABC"] == [10_000, 0, 5_000]


@IN_EVERY_MODE
def test_who_has_the_turn_keeps_it(three, mode):
    s = three(mode)
    assert s.assign_turn(0, "A").events == ()
    s.start(0)
    before = s.state
    assert s.assign_turn(10_000, "A").events == ()
    assert s.state == before


@IN_EVERY_MODE
def test_deadlines_that_are_due_come_first(three, mode):
    s = three(mode).start(0)
    decision = s.assign_turn(65_000, "B")
    assert [e.name for e in decision.events[:2]] == ["participant.expired", "cycle.assigned"]
    assert decision.events[0].at_ms == 60_000
    assert s.active == "B"


def test_the_turn_of_a_flagged_clock_is_not_renewed(three):
    s = three("per_participant").start(0)
    s.assign_turn(65_000, "B")
    assert (s.seat("A").has_expired, s.left("A", 65_000), s.read(65_000).overtime_ms) == (True, 0, 0)
    s.assign_turn(66_000, "A")
    assert (s.deadline, s.read(67_000).overtime_ms) == (None, 1_000)


def test_the_new_cycle_warns_anew_and_not_for_what_it_begins_below(three):
    s = three("per_participant", warn_at=[50_000])
    s.start(0)
    s.assign_turn(11_000, "B")
    s.look(21_000)
    assert s.happened("participant.warned") == [("participant.warned", 10_000), ("participant.warned", 21_000)]
    s.assign_turn(22_000, "A")
    s.look(40_000)
    assert len(s.happened("participant.warned")) == 2


def test_a_session_that_began_without_participants_gives_its_turn_to_a_newcomer(session, ident):
    s = session("count_up", "").start(0)
    s.add(1_000, "A")
    assert s.active is None
    s.assign_turn(3_000, "A")
    event = s.last("cycle.assigned")
    assert (event.from_participant_id, event.to_participant_id) == (None, ident("A"))
    assert (s.active, s.used("A", 5_000), s.state.running_ms) == ("A", 2_000, 3_000)


def test_the_turn_goes_on_in_the_order_of_indexes(three):
    s = three("per_participant").start(0)
    s.assign_turn(1_000, "C")
    s.switch(2_000)
    assert s.active == "A"


@IN_EVERY_MODE
@pytest.mark.parametrize("started", [False, True], ids=["pending", "running"])
def test_a_stranger_gets_no_turn(three, mode, started):
    s = three(mode)
    if started:
        s.start(0)
    with pytest.raises(NoSuchParticipant):
        s.assign_turn(1_000, "Z")


def test_a_finished_session_has_no_turns(three):
    s = three("per_participant").start(0)
    s.cancel(1_000)
    with pytest.raises(WrongStatus, match="cannot assign the turn in"):
        s.assign_turn(2_000, "B")
