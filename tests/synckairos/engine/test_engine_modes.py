"""Whose time runs in each mode, what a switch does to it, and what pauses do to a cycle."""

import pytest

MODES = {
    "per_participant": {},
    "per_group": {"teams": {"A": "X", "B": "Y", "C": "X"}},
    "per_cycle": {"time_per_cycle_ms": 30_000},
    "global": {"total_time_ms": 60_000},
    "count_up": {"max_time_ms": 90_000},
}
IN_EVERY_MODE = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def three(session):
    """A session of A, B and C in a mode, with its ordinary settings."""

    def make(mode, **fields):
        return session(mode, "A B C", **MODES[mode], **fields)

    return make


@IN_EVERY_MODE
def test_running_time_goes_to_the_active_participant(three, mode):
    s = three(mode).start(0)
    s.switch(4_000)
    s.switch(9_000)
    assert [s.used(name, 10_000) for name in "ABC"] == [4_000, 5_000, 1_000]


@IN_EVERY_MODE
def test_cycles_are_counted_when_they_make_way(three, mode):
    s = three(mode).start(0)
    assert s.state.cycle.number == 0
    for at in (1_000, 2_000, 3_000, 4_000):
        s.switch(at)
    assert [s.seat(name).cycle_count for name in "ABC"] == [2, 1, 1]
    assert (s.state.cycle.number, s.active) == (4, "B")


@IN_EVERY_MODE
def test_a_cycle_spans_its_pauses(three, mode):
    s = three(mode).start(0)
    s.pause(3_000)
    s.resume(50_000)
    s.pause(51_000)
    s.resume(70_000)
    assert s.state.cycle.elapsed_ms == 4_000
    s.switch(74_000)
    assert s.used("A", 74_000) == 8_000
    assert (s.seat("A").cycle_count, s.state.cycle.number, s.state.running_ms) == (1, 1, 8_000)


@IN_EVERY_MODE
def test_a_pause_stands_still_and_keeps_the_turn(three, mode):
    s = three(mode).start(0)
    s.pause(3_000)
    shown = s.read(3_000)
    assert s.active == "A"
    assert (shown.deadline_ms, shown.stretch_ms, s.deadline) == (None, 0, None)
    assert s.read(90_000_000).time_remaining_ms == shown.time_remaining_ms
    assert s.look(90_000_000).events == ()


@IN_EVERY_MODE
def test_what_was_left_before_a_pause_is_left_after_it(three, mode):
    s = three(mode).start(0)
    s.pause(3_000)
    left_ms = s.read(3_000).time_remaining_ms
    s.resume(100_000)
    assert s.read(100_000).time_remaining_ms == left_ms
    assert s.deadline == ("expiry", 100_000 + left_ms)


@IN_EVERY_MODE
def test_a_whole_life_keeps_every_millisecond(three, mode):
    s = three(mode).start(0)
    s.switch(1_234)
    s.pause(2_345)
    s.resume(9_999)
    s.switch(12_346)
    s.complete(20_001)
    assert sum(seat.time_used_ms for seat in s.state.participants) == s.state.running_ms == 20_001 - (9_999 - 2_345)


@pytest.mark.parametrize(
    ("mode", "first", "second"),
    [
        ("per_participant", 60_000, 60_000),
        ("per_group", 60_000, 60_000),
        ("per_cycle", 30_000, 30_000),
        ("global", 60_000, 50_000),
        ("count_up", 90_000, 80_000),
    ],
)
def test_what_the_next_cycle_begins_with(three, mode, first, second):
    s = three(mode).start(0)
    assert s.read(0).time_remaining_ms == first
    s.switch(10_000)
    assert s.read(10_000).time_remaining_ms == second
    assert s.read(10_000).deadline_ms == 10_000 + second


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ("per_participant", [50_000, 55_000, 60_000]),
        ("per_group", [50_000, 55_000, 50_000]),
        ("per_cycle", [30_000, 25_000, 30_000]),
        ("global", [45_000, 45_000, 45_000]),
        ("count_up", [75_000, 75_000, 75_000]),
    ],
)
def test_what_each_seat_shows_while_another_plays(three, mode, left):
    s = three(mode).start(0)
    s.switch(10_000)
    assert [s.left(name, 15_000) for name in "ABC"] == left


def test_a_bank_is_carried_from_one_cycle_to_the_next(session):
    s = session("per_participant").start(0)
    s.switch(10_000)
    s.switch(12_000)
    assert (s.active, s.left("A", 12_000), s.left("B", 12_000)) == ("A", 50_000, 58_000)


def test_members_of_a_group_drain_one_bank(three):
    s = three("per_group").start(0)
    s.switch(10_000, to="C")
    s.switch(15_000, to="B")
    assert s.bank(team_of("A")).total_time_ms == 45_000
    assert [s.left(name, 15_000) for name in "ABC"] == [45_000, 60_000, 45_000]
    assert [s.used(name, 15_000) for name in "ABC"] == [10_000, 0, 5_000]


def team_of(name):
    return MODES["per_group"]["teams"][name]


def test_a_fresh_clock_forgets_the_cycle_before(three):
    s = three("per_cycle").start(0)
    s.switch(29_999)
    s.pause(40_000)
    s.resume(50_000)
    assert s.left("B", 50_000) == 30_000 - 10_001
    s.switch(51_000)
    assert s.left("C", 51_000) == 30_000


def test_a_fresh_clock_is_not_refilled_by_pauses(three):
    s = three("per_cycle").start(0)
    for at in (1_000, 3_000, 5_000):
        s.pause(at)
        s.resume(at + 1_000)
    assert (s.left("A", 6_000), s.deadline) == (27_000, ("expiry", 33_000))


def test_banks_play_no_part_in_a_fresh_clock_for_each_cycle(session):
    s = session("per_cycle", {"A": 5, "B": 5}, time_per_cycle_ms=30_000).start(0)
    s.look(29_999)
    s.switch(29_999)
    assert (s.seat("A").total_time_ms, s.seat("A").has_expired) == (5, False)


def test_counting_up_without_a_maximum_drains_nothing_and_never_expires(session):
    s = session("count_up").start(0)
    assert s.look(90_000_000_000).events == ()
    shown = s.read(90_000)
    assert (shown.time_remaining_ms, shown.overtime_ms, shown.deadline_ms) == (None, 0, None)
    assert (shown.stretch_ms, s.left("A", 90_000)) == (90_000, None)


@pytest.mark.parametrize(
    ("mode", "fields"), [("global", {"total_time_ms": 9_000}), ("count_up", {"max_time_ms": 9_000})]
)
def test_one_clock_needs_no_participants(session, mode, fields):
    s = session(mode, "", on_timeout="end_session", **fields).start(1_000)
    s.switch(2_000)
    s.pause(3_000)
    s.resume(10_000)
    assert (s.active, s.state.cycle.number, s.state.running_ms) == (None, 1, 2_000)
    s.look(60_000)
    assert (s.status, s.state.completed_ms, s.state.running_ms) == ("expired", 17_000, 9_000)


@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_who_finishes_in_time_earns_the_increment(three, mode):
    s = three(mode, increment_ms=2_000).start(0)
    s.switch(500)
    assert (s.left("A", 500), s.left("B", 500)) == (61_500, 60_000)


def test_an_increment_goes_to_the_bank_of_the_group(three):
    s = three("per_group", increment_ms=2_000).start(0)
    s.switch(500)
    assert s.bank("X").total_time_ms == s.seat("A").total_time_ms == s.seat("C").total_time_ms == 61_500


def test_each_switch_of_one_and_the_same_player_earns_an_increment(session):
    s = session("per_participant", {"A": 10_000}, increment_ms=2_000).start(0)
    s.switch(1_000)
    s.switch(2_000)
    assert (s.left("A", 2_000), s.seat("A").cycle_count) == (12_000, 2)


def test_a_pause_earns_no_increment(session):
    s = session("per_participant", increment_ms=2_000).start(0)
    s.pause(1_000)
    s.resume(2_000)
    assert s.left("A", 2_000) == 59_000


@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_who_expired_earns_no_increment_in_later_cycles_either(three, mode):
    s = three(mode, increment_ms=2_000).start(0)
    s.switch(70_000, to="B")
    s.switch(71_000, to="A")
    s.switch(72_000, to="B")
    assert (s.left("A", 72_000), s.left("B", 72_000)) == (0, 61_000)


def test_a_skipped_cycle_earns_no_increment(session):
    s = session("per_participant", {"A": 1_000, "B": 9_000}, increment_ms=2_000, on_timeout="skip_cycle").start(0)
    s.look(1_000)
    assert (s.active, s.left("A", 1_000)) == ("B", 0)
