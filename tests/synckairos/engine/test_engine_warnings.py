"""Warnings: once for each threshold in a cycle, when time left first reaches it."""

import pytest


def warnings(s):
    return [(e.threshold_ms, e.at_ms, e.time_remaining_ms) for e in s.events if e.name == "participant.warned"]


def test_a_warning_comes_when_time_left_reaches_the_threshold(session, ident):
    s = session("per_participant", warn_at=[10_000]).start(0)
    assert s.look(49_999).events == ()
    s.look(50_000)
    assert warnings(s) == [(10_000, 50_000, 10_000)]
    assert s.last("participant.warned").participant_id == ident("A")


def test_a_warning_carries_its_own_instant_however_late_one_looks(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.look(59_000)
    assert warnings(s) == [(10_000, 50_000, 10_000)]


@pytest.mark.parametrize(
    "thresholds", [[30_000, 10_000, 5_000], [5_000, 10_000, 30_000], [10_000, 30_000, 5_000, 10_000]]
)
def test_thresholds_are_reached_from_the_largest_down_each_once(session, thresholds):
    s = session("per_participant", warn_at=thresholds).start(0)
    s.look(90_000)
    assert warnings(s) == [(30_000, 30_000, 30_000), (10_000, 50_000, 10_000), (5_000, 55_000, 5_000)]
    assert s.happened()[-1] == ("participant.expired", 60_000)


def test_a_threshold_of_nothing_is_the_expiry_itself(session):
    s = session("per_participant", warn_at=[0]).start(0)
    s.look(90_000)
    assert s.happened() == [("session.started", 0), ("participant.expired", 60_000)]


def test_a_cycle_that_starts_below_a_threshold_does_not_warn_for_it(session):
    s = session("per_participant", warn_at=[70_000, 60_001, 10_000]).start(0)
    s.look(90_000)
    assert warnings(s) == [(10_000, 50_000, 10_000)]


def test_a_cycle_that_starts_at_a_threshold_has_reached_it(session):
    s = session("per_participant", warn_at=[60_000]).start(0)
    assert warnings(s) == [(60_000, 0, 60_000)]


def test_each_cycle_warns_anew(session):
    s = session("per_cycle", time_per_cycle_ms=10_000, warn_at=[4_000], on_timeout="skip_cycle").start(0)
    s.look(20_000)
    assert [at for _, at, _ in warnings(s)] == [6_000, 16_000]


def test_a_later_cycle_below_the_threshold_stays_silent(session):
    s = session("per_participant", warn_at=[30_000]).start(0)
    s.switch(31_000)
    s.switch(32_000)
    s.look(40_000)
    assert (s.active, s.left("A", 40_000)) == ("A", 21_000)
    assert [at for _, at, _ in warnings(s)] == [30_000]


def test_a_common_clock_warns_once_though_turns_change(session, ident):
    s = session("global", total_time_ms=60_000, warn_at=[30_000]).start(0)
    s.switch(20_000)
    s.switch(40_000)
    s.look(59_999)
    assert warnings(s) == [(30_000, 30_000, 30_000)]
    assert s.last("participant.warned").participant_id == ident("B")


def test_a_common_clock_warns_without_participants(session):
    s = session("count_up", "", max_time_ms=9_000, warn_at=[1_000]).start(0)
    s.look(8_000)
    assert s.last("participant.warned").participant_id is None


def test_a_pause_delays_a_warning_that_is_to_come(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.pause(40_000)
    s.resume(100_000)
    s.look(120_000)
    assert warnings(s) == [(10_000, 110_000, 10_000)]


def test_a_pause_repeats_no_warning(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.pause(55_000)
    s.resume(100_000)
    s.look(104_999)
    assert warnings(s) == [(10_000, 50_000, 10_000)]


def test_a_pause_at_the_very_threshold_comes_after_the_warning(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.pause(50_000)
    assert s.happened()[1:] == [("participant.warned", 50_000), ("session.paused", 50_000)]


def test_added_time_delays_a_warning_that_is_to_come(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.adjust(20_000, "A", by=5_000)
    s.look(64_999)
    assert warnings(s) == [(10_000, 55_000, 10_000)]


def test_added_time_repeats_no_warning_in_the_same_cycle(session):
    s = session("per_participant", warn_at=[10_000]).start(0)
    s.adjust(52_000, "A", by=30_000)
    s.look(85_000)
    assert warnings(s) == [(10_000, 50_000, 10_000)]


def test_time_taken_past_thresholds_warns_at_once_for_each(session):
    s = session("per_participant", warn_at=[30_000, 10_000, 1_000]).start(0)
    s.adjust(5_000, "A", to=8_000)
    assert warnings(s) == [(30_000, 5_000, 8_000), (10_000, 5_000, 8_000)]
    s.look(12_000)
    assert warnings(s)[2:] == [(1_000, 12_000, 1_000)]


def test_time_taken_past_thresholds_in_a_pause_warns_at_the_resume(session):
    s = session("per_participant", warn_at=[30_000]).start(0)
    s.pause(5_000)
    s.adjust(6_000, "A", to=8_000)
    assert warnings(s) == []
    s.resume(9_000)
    assert warnings(s) == [(30_000, 9_000, 8_000)]


@pytest.mark.parametrize("left_ms", [0, 1, 9_999])
def test_all_time_taken_warns_for_each_threshold_as_almost_all_does(session, left_ms):
    s = session("per_participant", warn_at=[30_000, 10_000]).start(0)
    s.adjust(5_000, "A", to=left_ms)
    assert warnings(s) == [(30_000, 5_000, left_ms), (10_000, 5_000, left_ms)]
    s.look(5_000 + left_ms)
    assert s.happened()[1:] == [
        ("participant.adjusted", 5_000),
        *[("participant.warned", 5_000)] * 2,
        ("participant.expired", 5_000 + left_ms),
    ]


def test_more_time_taken_than_there_is_warns_too(session):
    s = session("per_participant", warn_at=[30_000]).start(0)
    s.adjust(5_000, "A", by=-3_600_000)
    assert s.happened()[1:] == [
        *(("participant.adjusted", 5_000), ("participant.warned", 5_000), ("participant.expired", 5_000)),
    ]


def test_a_threshold_that_was_announced_before_all_time_was_taken_is_not_announced_again(session):
    s = session("per_participant", warn_at=[30_000, 10_000]).start(0)
    s.adjust(31_000, "A", to=0)
    assert warnings(s) == [(30_000, 30_000, 30_000), (10_000, 31_000, 0)]
    s.adjust(32_000, "A", to=40_000)
    s.look(71_999)
    assert len(warnings(s)) == 2


def test_all_time_taken_in_a_pause_warns_and_expires_at_the_resume(session):
    s = session("per_participant", warn_at=[30_000]).start(0)
    s.pause(5_000)
    s.adjust(6_000, "A", to=0)
    s.resume(9_000)
    assert s.happened()[3:] == [
        *(("session.resumed", 9_000), ("participant.warned", 9_000), ("participant.expired", 9_000)),
    ]


def test_all_time_taken_from_who_waits_warns_for_nothing(session):
    """The cycle that comes begins below every threshold."""
    s = session("per_participant", warn_at=[30_000]).start(0)
    s.adjust(5_000, "B", to=0)
    s.switch(6_000)
    assert warnings(s) == []
    assert s.happened()[-1] == ("participant.expired", 6_000)


def test_a_warning_is_a_version_of_its_own(session):
    s = session("per_participant", warn_at=[30_000, 10_000]).start(0)
    s.look(50_000)
    assert s.version == 4


def test_a_group_is_warned_through_whoever_plays(session, ident):
    s = session("per_group", teams={"A": "X", "B": "X"}, warn_at=[30_000]).start(0)
    s.switch(20_000)
    s.look(30_000)
    assert s.last("participant.warned").participant_id == ident("B")
