"""The clock log: each turn with the time used and the time left, from the events alone."""

import msgspec
import pytest

from synckairos.engine import replay, seats_left_ms
from synckairos.engine.clock_log import clock_log, clock_text
from synckairos.engine.controls import fischer
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.events import Event
from tests.synckairos.engine.conftest import id_of
from tests.synckairos.engine.golden.history import HERE, SUFFIX, load

decoder = msgspec.msgpack.Decoder(Event)


def log_of(s, *fields):
    return [tuple(getattr(turn, field) for field in fields) for turn in clock_log(s.events)]


def test_each_turn_tells_the_instants_the_time_used_and_the_time_left_with_the_increment(session):
    s = session("per_participant", {"A": 60_000, "B": 60_000}, increment_ms=2_000).start(1_000)
    s.switch(11_000)
    s.pause(12_000)
    s.resume(20_000)
    s.switch(24_500)
    fields = ("number", "began_ms", "ended_ms", "used_ms", "left_ms", "earned_ms")
    assert log_of(s, *fields) == [
        (1, 1_000, 11_000, 10_000, 52_000, 2_000),
        (2, 11_000, 24_500, 5_500, 56_500, 2_000),
    ]
    assert log_of(s, "emt", "clk") == [("0:00:10", "0:00:52"), ("0:00:05.5", "0:00:56.5")]


def test_phases_are_those_after_the_turn(session):
    control = ByoYomi(periods=3, period_ms=10_000)
    s = session("per_participant", {"A": 5_000, "B": 60_000}, time_control=control).start(0)
    s.switch(4_000)
    s.switch(5_000)
    s.switch(22_000)
    assert log_of(s, "phase", "periods_left", "left_ms") == [
        ("main", 0, 1_000),
        ("main", 0, 59_000),
        ("byo_yomi", 2, 10_000),
    ]


def test_a_turn_whose_switch_was_undone_is_marked_and_told_again_when_it_ends(session):
    s = session("per_participant", {"A": 60_000, "B": 60_000}).start(0)
    s.switch(4_000)
    s.undo(6_000)
    s.switch(9_000)
    assert log_of(s, "participant_id", "number", "began_ms", "used_ms", "left_ms", "is_undone") == [
        (id_of("A"), 1, 0, 4_000, 56_000, True),
        (id_of("A"), 1, 0, 9_000, 51_000, False),
    ]


def test_the_last_turn_ends_with_the_session(session):
    s = session("per_participant", {"A": 5_000, "B": 60_000}, on_timeout={"type": "end_session"}).start(0)
    s.switch(1_000)
    s.switch(2_000)
    s.look(90_000)
    assert log_of(s, "ended_by", "ended_ms", "left_ms")[-1] == ("session_ended", 6_000, 0)


def test_turns_that_end_by_themselves_or_by_an_official_say_so(session):
    s = session("per_cycle", "A B C", time_per_cycle_ms=5_000, on_timeout={"type": "skip_cycle"}).start(0)
    s.look(5_000)
    s.assign_turn(6_000, "A")
    s.switch(7_500)
    assert log_of(s, "participant_id", "ended_by", "left_ms") == [
        (id_of("A"), "timeout", 0),
        (id_of("B"), "assigned", 4_000),
        (id_of("A"), "switch", 3_500),
    ]


def test_a_clock_that_counts_up_has_no_time_left_to_tell(session):
    s = session("count_up", "A B", max_time_ms=None).start(0)
    s.switch(1_500)
    assert log_of(s, "left_ms", "clk", "emt") == [(None, "", "0:00:01.5")]


def test_histories_from_before_time_controls_have_a_log_too():
    for history in load(HERE / f"first{SUFFIX}"):
        events = [decoder.decode(event) for event in history.events]
        state, turns = replay(events), clock_log(events)
        closed = [turn for turn in turns if turn.ended_by != "session_ended"]
        assert len(closed) == state.cycle.number
        running_ms = 0 if state.status.is_final else state.cycle.elapsed_ms
        assert sum(turn.used_ms for turn in turns) == state.running_ms - running_ms


def test_what_a_turn_has_left_is_what_the_state_then_shows():
    checked = 0
    for history in load(HERE / f"first{SUFFIX}"):
        events = [decoder.decode(event) for event in history.events]
        if events[0].config.sync_mode not in {"per_participant", "per_group"}:
            continue
        for turn in clock_log(events):
            state = replay(event for event in events if event.at_ms <= turn.ended_ms)
            if any(event.at_ms == turn.ended_ms and event.name == "participant.adjusted" for event in events):
                continue
            position = state.position_of(turn.participant_id)
            assert seats_left_ms(state, 0)[position] == turn.left_ms
            checked += 1
    assert checked > 50


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0:00:00"), (999, "0:00:00.999"), (61_200, "0:01:01.2"), (3_600_000, "1:00:00"), (86_400_050, "24:00:00.05")],
)
def test_a_duration_is_written_as_in_clock_comments(duration_ms, text):
    assert clock_text(duration_ms) == text


def test_the_increment_may_come_from_a_time_control(session):
    s = session("per_participant", {"A": 60_000, "B": 60_000}, time_control=fischer(3_000)).start(0)
    s.switch(10_000)
    assert log_of(s, "left_ms", "earned_ms") == [(53_000, 3_000)]
