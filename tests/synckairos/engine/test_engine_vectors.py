"""The worked vectors of docs/clock.md, number by number."""


def test_a_finished_turn_earns_its_increment_and_the_next_bank_drains(session):
    s = session("per_participant", increment_ms=2_000).start(0)
    s.switch(10_000)
    assert (s.left("A", 10_000), s.used("A", 10_000), s.seat("A").cycle_count) == (52_000, 10_000, 1)
    assert s.active == "B"
    assert [s.left("B", at) for at in (10_000, 10_001, 70_000)] == [60_000, 59_999, 0]


def test_a_switch_at_the_very_end_of_the_bank_comes_too_late_for_an_increment(session, ident):
    s = session("per_participant", {"A": 5_000, "B": 5_000}, increment_ms=2_000).start(0)
    decision = s.switch(5_000)
    assert (s.left("A", 5_000), s.seat("A").has_expired) == (0, True)
    assert decision.expired_on_switch == ident("A")


def test_a_switch_one_millisecond_before_the_end_earns_the_increment(session):
    s = session("per_participant", {"A": 5_000, "B": 5_000}, increment_ms=2_000).start(0)
    decision = s.switch(4_999)
    assert (s.left("A", 4_999), s.seat("A").has_expired) == (2_001, False)
    assert decision.expired_on_switch is None


def test_a_pause_splits_a_turn_but_is_not_charged(session):
    s = session("per_participant").start(0)
    s.pause(3_000)
    s.resume(60_000)
    s.switch(62_000)
    assert s.used("A", 62_000) == 5_000
    assert s.state.running_ms == 5_000


def test_unattended_cycles_skip_at_their_own_instants(session):
    s = session("per_cycle", "A B C", time_per_cycle_ms=30_000, on_timeout="skip_cycle").start(0)
    before = s.version
    s.look(95_000)
    expiries = [at for _, at in s.happened("participant.expired")]
    assert expiries == [30_000, 60_000, 90_000]
    assert (s.active, s.left("A", 95_000), s.version - before) == ("A", 25_000, 3)


def test_five_unattended_minutes_of_thirty_second_cycles_are_ten_switches(session):
    s = session("per_cycle", "A B C", time_per_cycle_ms=30_000, on_timeout="skip_cycle").start(0)
    s.look(300_000)
    assert [at for _, at in s.happened("cycle.switched")] == [30_000 * n for n in range(1, 11)]


def test_a_global_clock_runs_on_through_switches_and_ends_for_all(session):
    s = session("global", "A B C", total_time_ms=60_000).start(0)
    s.switch(20_000)
    s.switch(50_000)
    assert s.read(50_000).time_remaining_ms == 10_000
    s.look(60_000)
    assert s.happened("participant.expired") == [("participant.expired", 60_000)]
    assert [s.used(name, 60_000) for name in "ABC"] == [20_000, 30_000, 10_000]


def test_counting_up_ends_exactly_at_its_maximum(session):
    s = session("count_up", max_time_ms=10_000, on_timeout="end_session").start(0)
    s.switch(4_000)
    assert s.used("A", 4_000) == 4_000
    s.look(99_000)
    assert (s.status, s.state.completed_ms, s.used("B", 99_000)) == ("expired", 10_000, 6_000)


def test_the_end_of_one_bank_ends_the_game_for_the_other_player(session, ident):
    s = session("per_participant", {"A": 8_000, "B": 8_000}, on_timeout="end_session").start(0)
    s.look(20_000)
    assert (s.status, s.state.completed_ms) == ("expired", 8_000)
    assert s.last("session.expired").winner == ident("B")
