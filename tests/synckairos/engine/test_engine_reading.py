"""The numbers that every screen derives from a state."""

import pytest
from msgspec.structs import replace

from synckairos.engine import Reading


def shown(at, left, *, over=0, deadline=None, stretch=0):
    return Reading(at, left, over, deadline, stretch, None if deadline is None else at - stretch)


def numbers(reading):
    """The reading without the clock that it is of."""
    return replace(reading, clock=None)


def test_before_the_start_the_opening_clock_is_shown_at_rest(session):
    s = session("per_participant", {"A": 5_000, "B": 7_000}, opener="B")
    assert numbers(s.read(3_000)) == shown(3_000, 7_000)


@pytest.mark.parametrize(
    ("mode", "left"), [("per_cycle", 30_000), ("global", 40_000), ("count_up", 50_000), ("per_participant", 60_000)]
)
def test_before_the_start_each_mode_shows_its_whole_clock(session, mode, left):
    s = session(mode, time_per_cycle_ms=30_000, total_time_ms=40_000, max_time_ms=50_000)
    assert numbers(s.read(3_000)) == shown(3_000, left)


def test_an_empty_session_shows_its_whole_clock_before_the_start(session):
    assert numbers(session("global", "", total_time_ms=40_000).read(3_000)) == shown(3_000, 40_000)


@pytest.mark.parametrize(
    ("at", "reading"),
    [
        (1_000, shown(1_000, 5_000, deadline=6_000)),
        (1_001, shown(1_001, 4_999, deadline=6_000, stretch=1)),
        (5_999, shown(5_999, 1, deadline=6_000, stretch=4_999)),
        (6_000, shown(6_000, 0, deadline=6_000, stretch=5_000)),
        (6_250, shown(6_250, 0, over=250, deadline=6_000, stretch=5_250)),
    ],
)
def test_a_running_clock_is_read_at_an_instant(session, at, reading):
    s = session("per_participant", {"A": 5_000, "B": 7_000}).start(1_000)
    s.look(at)
    assert numbers(s.read(at)) == reading


def test_a_paused_clock_shows_what_was_left(session):
    s = session("per_participant", {"A": 5_000, "B": 7_000}).start(1_000)
    s.pause(3_000)
    assert numbers(s.read(9_000)) == shown(9_000, 3_000)


def test_a_resumed_clock_counts_its_stretch_from_the_resume(session):
    s = session("per_participant", {"A": 5_000, "B": 7_000}).start(1_000)
    s.pause(3_000)
    s.resume(9_000)
    assert numbers(s.read(10_000)) == shown(10_000, 2_000, deadline=12_000, stretch=1_000)


def test_a_finished_session_shows_no_running_clock(session):
    s = session("per_participant").start(0)
    s.complete(4_000)
    assert numbers(s.read(9_000)) == shown(9_000, None)
    assert [s.left(name, 9_000) for name in "AB"] == [56_000, 60_000]


def test_a_finished_common_clock_shows_what_was_left(session):
    s = session("global", total_time_ms=60_000).start(0)
    s.complete(4_000)
    assert numbers(s.read(9_000)) == shown(9_000, 56_000)


def test_a_reading_never_goes_back_behind_the_last_transition(session):
    s = session("per_participant").start(5_000)
    s.pause(8_000)
    assert numbers(s.read(1_000)) == shown(8_000, 57_000)


@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_only_the_running_bank_drains(session, mode):
    s = session(mode, "A B C", teams={"A": "X", "B": "Y", "C": "Z"}).start(0)
    assert [s.left(name, 20_000) for name in "ABC"] == [40_000, 60_000, 60_000]


def test_a_seat_never_shows_less_than_nothing(session):
    s = session("per_participant").start(0)
    s.look(90_000)
    assert s.left("A", 90_000) == 0
