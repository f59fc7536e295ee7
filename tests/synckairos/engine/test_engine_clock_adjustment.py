"""The clock that runs, or that runs next, adjusted by an official: in every mode, in every status."""

import pytest

from synckairos.engine import MAX_TIME_MS
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.refusals import Problems, WrongStatus

MODES = {
    "per_participant": {},
    "per_group": {"teams": {"A": "X", "B": "Y", "C": "X"}},
    "per_cycle": {"time_per_cycle_ms": 60_000},
    "global": {"total_time_ms": 60_000},
    "count_up": {"max_time_ms": 60_000},
}
IN_EVERY_MODE = pytest.mark.parametrize("mode", MODES)
COMMON = pytest.mark.parametrize("mode", ["global", "count_up"])
CHANGES = pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"by": 5_000}, 55_000),
        ({"by": -5_000}, 45_000),
        ({"by": 0}, 50_000),
        ({"by": -50_000}, 0),
        ({"by": -90_000}, 0),
        ({"by": 2 * MAX_TIME_MS}, MAX_TIME_MS),
        ({"to": 20_000}, 20_000),
        ({"to": 0}, 0),
        ({"to": MAX_TIME_MS}, MAX_TIME_MS),
        ({"at_least": 50_001}, 50_001),
        ({"at_least": 70_000}, 70_000),
    ],
    ids=str,
)


@pytest.fixture
def three(session):
    """A session of A, B and C in a mode, with 60 s on the clock that runs."""
    return lambda mode, **fields: session(mode, "A B C", **{**MODES[mode], **fields})


@IN_EVERY_MODE
@CHANGES
def test_a_running_clock_is_changed_from_what_is_left_at_that_instant(three, mode, change, left):
    s = three(mode).start(0)
    s.adjust_clock(10_000, **change)
    event = s.last("clock.adjusted")
    assert (event.at_ms, event.left_ms, event.by_ms) == (10_000, left, left - 50_000)
    assert s.read(10_000).time_remaining_ms == left
    assert s.left("A", 10_000) == left
    assert (s.used("A", 10_000), s.active, s.state.cycle.number) == (10_000, "A", 0)
    s.look(10_000 + left)
    assert s.happened("participant.expired") == [("participant.expired", 10_000 + left)]


@IN_EVERY_MODE
@CHANGES
def test_a_paused_clock_is_changed_alike(three, mode, change, left):
    s = three(mode).start(0)
    s.pause(10_000)
    s.adjust_clock(30_000, **change)
    assert s.read(40_000).time_remaining_ms == left
    s.resume(50_000)
    s.look(50_000 + left)
    assert s.happened("participant.expired") == [("participant.expired", 50_000 + left)]
    assert s.used("A", 50_000 + left) == 10_000 + left


@IN_EVERY_MODE
@pytest.mark.parametrize(
    ("change", "left"), [({"by": 5_000}, 65_000), ({"to": 7_000}, 7_000), ({"at_least": 61_000}, 61_000)], ids=str
)
def test_before_the_start_the_clock_that_will_run_first_is_changed(three, mode, change, left):
    s = three(mode, opener="B")
    s.adjust_clock(5, **change)
    assert s.read(5).time_remaining_ms == left == s.left("B", 5)
    s.start(100)
    assert (s.active, s.left("B", 100), s.deadline) == ("B", left, ("expiry", 100 + left))


@IN_EVERY_MODE
def test_the_event_names_whose_clock_it_is(three, mode, ident):
    s = three(mode).start(0)
    s.switch(1_000)
    s.adjust_clock(2_000, by=1, reason="the hall was dark")
    event = s.last("clock.adjusted")
    team = ident("Y") if mode == "per_group" else None
    assert (event.participant_id, event.group_id, event.reason) == (ident("B"), team, "the hall was dark")


@IN_EVERY_MODE
def test_the_clock_goes_on_from_its_new_time(three, mode):
    s = three(mode).start(0)
    s.adjust_clock(10_000, to=5_000)
    s.adjust_clock(12_000, by=1_000)
    assert [s.read(at).time_remaining_ms for at in (12_000, 14_000, 16_000)] == [4_000, 2_000, 0]
    assert s.read(12_000).deadline_ms == 16_000


@IN_EVERY_MODE
@pytest.mark.parametrize("change", [{"by": 4_000}, {"to": 4_000}, {"at_least": 4_000}], ids=str)
def test_an_expired_clock_runs_again(three, mode, change):
    s = three(mode).start(0)
    s.look(65_000)
    assert s.read(65_000).overtime_ms == 5_000
    s.adjust_clock(65_000, **change)
    reading = s.read(65_000)
    assert (reading.time_remaining_ms, reading.overtime_ms, reading.deadline_ms) == (4_000, 0, 69_000)
    assert not s.seat("A").has_expired
    assert not s.state.has_expired
    s.look(70_000)
    assert [at for _, at in s.happened("participant.expired")] == [60_000, 69_000]
    assert (s.read(70_000).overtime_ms, s.used("A", 70_000)) == (1_000, 70_000)


@IN_EVERY_MODE
@pytest.mark.parametrize("change", [{"by": 0}, {"to": 0}, {"by": -5}], ids=str)
def test_an_expired_clock_without_time_stays_expired(three, mode, change):
    s = three(mode).start(0)
    s.look(65_000)
    s.adjust_clock(65_000, **change)
    assert (s.deadline, s.read(66_000).overtime_ms) == (None, 6_000)
    assert len(s.happened("participant.expired")) == 1


@IN_EVERY_MODE
def test_a_clock_that_expired_in_a_pause_runs_again_after_it(three, mode):
    s = three(mode).start(0)
    s.pause(65_000)
    s.adjust_clock(70_000, to=3_000)
    assert (s.read(70_000).time_remaining_ms, s.read(70_000).overtime_ms) == (3_000, 0)
    s.resume(80_000)
    assert s.deadline == ("expiry", 83_000)


@COMMON
def test_a_common_clock_that_ran_out_cycles_ago_runs_again(three, mode):
    s = three(mode).start(0)
    s.switch(61_000)
    s.switch(62_000)
    s.adjust_clock(63_000, to=5_000)
    assert (s.deadline, s.read(64_000).overtime_ms, s.left("A", 64_000)) == (("expiry", 68_000), 0, 4_000)


@COMMON
def test_what_a_common_clock_was_given_stays_with_it(three, mode):
    s = three(mode).start(0)
    s.adjust_clock(10_000, by=5_000)
    s.switch(20_000)
    s.pause(25_000)
    s.resume(90_000)
    assert [s.left(name, 90_000) for name in "ABC"] == [40_000] * 3
    s.look(200_000)
    assert s.happened("participant.expired") == [("participant.expired", 130_000)]
    assert s.state.running_ms + s.read(200_000).stretch_ms == 135_000


@COMMON
def test_a_common_clock_needs_no_participants(session, mode):
    s = session(mode, "", **MODES[mode])
    s.adjust_clock(0, by=1_000)
    s.start(0)
    s.adjust_clock(1_000, by=1_000)
    event = s.last("clock.adjusted")
    assert (event.participant_id, event.group_id, event.left_ms, s.deadline) == (None, None, 61_000, ("expiry", 62_000))


def test_what_a_cycle_was_given_does_not_stay_with_the_next(three):
    s = three("per_cycle").start(0)
    s.adjust_clock(10_000, by=5_000)
    s.switch(20_000)
    assert s.left("B", 20_000) == 60_000
    assert [s.left(name, 20_000) for name in "AC"] == [60_000, 60_000]


def test_what_the_first_cycle_is_given_before_the_start_is_its_own(three):
    s = three("per_cycle")
    s.adjust_clock(0, to=5_000)
    assert [s.left(name, 0) for name in "ABC"] == [5_000, 60_000, 60_000]
    s.start(0)
    assert [s.left(name, 0) for name in "ABC"] == [5_000, 60_000, 60_000]
    s.switch(1_000)
    assert [s.left(name, 1_000) for name in "ABC"] == [60_000, 60_000, 60_000]


def test_the_clock_of_a_group_is_changed_for_all_members(three):
    s = three("per_group").start(0)
    s.adjust_clock(10_000, by=5_000)
    assert [s.left(name, 10_000) for name in "ABC"] == [55_000, 60_000, 55_000]
    assert s.bank("X").total_time_ms == 55_000


def test_all_time_taken_is_the_end_at_that_instant(three):
    s = three("per_cycle", on_timeout="skip_cycle").start(0)
    decision = s.adjust_clock(10_000, to=0)
    assert [e.name for e in decision.events] == ["clock.adjusted", "participant.expired", "cycle.switched"]
    assert (s.active, s.left("B", 10_000)) == ("B", 60_000)


# A soft close: a bid in the last 30 s leaves 30 s.


@IN_EVERY_MODE
@pytest.mark.parametrize("least", [0, 1, 49_999, 50_000])
def test_a_clock_with_enough_time_is_left_alone(three, mode, least):
    s = three(mode).start(0)
    before = s.state
    decision = s.adjust_clock(10_000, at_least=least)
    assert (decision.events, s.state) == ((), before)
    s.adjust_clock(10_000, at_least=50_001)
    assert s.left("A", 10_000) == 50_001


def test_many_bids_at_once_leave_the_window_once(three):
    s = three("global").start(0)
    for at in (40_000, 40_000, 40_000, 40_010, 40_010):
        s.adjust_clock(at, at_least=30_000)
    assert [e.by_ms for e in s.events if e.name == "clock.adjusted"] == [10_000, 10]
    assert s.deadline == ("expiry", 70_010)


def test_a_bid_is_judged_by_what_is_left_after_the_deadlines_that_are_due(three):
    s = three("per_cycle", on_timeout="skip_cycle").start(0)
    decision = s.adjust_clock(70_000, at_least=30_000)
    assert [e.name for e in decision.events] == ["participant.expired", "cycle.switched"]
    assert (s.active, s.left("B", 70_000)) == ("B", 50_000)


def test_a_clock_that_an_hourglass_has_filled_beyond_the_largest_time_loses_nothing(session):
    s = session("per_participant", {"A": MAX_TIME_MS, "B": 60_000}, time_control=Hourglass()).start(0)
    s.switch(0)
    s.switch(10_000)
    decision = s.adjust_clock(10_000, at_least=30_000)
    assert (decision.events, s.left("A", 10_000)) == ((), MAX_TIME_MS + 10_000)


# Warnings.


def test_time_taken_past_thresholds_warns_at_once_for_each(three):
    s = three("global", warn_at=[30_000, 10_000]).start(0)
    s.adjust_clock(10_000, to=8_000)
    assert s.happened("participant.warned") == [("participant.warned", 10_000)] * 2


def test_added_time_repeats_no_warning(three):
    s = three("global", warn_at=[30_000]).start(0)
    s.adjust_clock(31_000, by=20_000)
    s.look(55_000)
    assert s.happened("participant.warned") == [("participant.warned", 30_000)]


# Refusals.


@IN_EVERY_MODE
@pytest.mark.parametrize(
    "change", [{}, {"by": 1, "to": 1}, {"to": 1, "at_least": 1}, {"by": 0, "to": 0, "at_least": 0}], ids=str
)
def test_exactly_one_number_is_given(three, mode, change):
    with pytest.raises(Problems) as refused:
        three(mode).adjust_clock(0, **change)
    assert refused.value.problems == [("adjust_ms", "Give exactly one of adjust_ms, set_ms and at_least_ms.")]


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
@pytest.mark.parametrize(
    ("change", "field"), [({"by": 1}, "adjust_ms"), ({"to": 1}, "set_ms"), ({"at_least": 1}, "at_least_ms")], ids=str
)
def test_counting_up_without_a_maximum_has_no_clock_to_change(session, status, change, field):
    s = session("count_up")
    if status != "pending":
        s.start(0)
    if status == "paused":
        s.pause(0)
    with pytest.raises(Problems) as refused:
        s.adjust_clock(1_000, **change)
    assert refused.value.problems == [(field, "No clock drains in this session.")]


@IN_EVERY_MODE
def test_a_finished_session_has_no_clock_to_change(three, mode):
    s = three(mode).start(0)
    s.complete(1_000)
    with pytest.raises(WrongStatus, match="cannot adjust the clock of"):
        s.adjust_clock(2_000, by=1)
