"""Deadlines: one at a time, at their own instant, however late anybody looks."""

import pytest

from synckairos.engine import commands as cmd
from synckairos.engine import decide, observe
from synckairos.engine.refusals import Unsettled, WrongStatus


@pytest.mark.parametrize(("at", "expired"), [(4_999, False), (5_000, True), (5_001, True)])
def test_equality_expires(session, at, expired):
    s = session("per_participant", {"A": 5_000, "B": 5_000}).start(0)
    s.look(at)
    assert s.seat("A").has_expired is expired


@pytest.mark.parametrize("looked_at", [5_000, 5_001, 60_000, 90_000_000])
def test_an_expiry_carries_its_own_instant_however_late_one_looks(session, looked_at):
    s = session("per_participant", {"A": 5_000, "B": 5_000}).start(0)
    s.look(looked_at)
    assert s.happened("participant.expired") == [("participant.expired", 5_000)]
    assert s.state.updated_ms == 5_000


def test_a_clock_without_time_expires_at_once(session):
    s = session("per_participant", {"A": 0, "B": 5_000}).start(300)
    assert s.happened() == [("session.started", 300), ("participant.expired", 300)]
    assert s.version == 3


def test_clocks_without_time_are_skipped_at_one_instant(session):
    s = session("per_participant", {"A": 0, "B": 0, "C": 5_000}, on_timeout="skip_cycle").start(300)
    assert (s.active, s.deadline) == ("C", ("expiry", 5_300))
    assert [at for _, at in s.happened()] == [300] * 5


def test_a_chain_of_deadlines_is_caught_up_in_order(session, ident):
    s = session("per_participant", {"A": 2_000, "B": 3_000}, warn_at=[1_000], on_timeout="skip_cycle", start_at_ms=100)
    s.look(10_000)
    assert s.happened() == [
        ("session.started", 100),
        ("participant.warned", 1_100),
        ("participant.expired", 2_100),
        ("cycle.switched", 2_100),
        ("participant.warned", 4_100),
        ("participant.expired", 5_100),
        ("session.expired", 5_100),
    ]


def test_each_deadline_is_a_version_of_its_own_and_an_expiry_shares_it_with_its_consequence(session):
    s = session("per_participant", {"A": 2_000, "B": 3_000}, warn_at=[1_000], on_timeout="skip_cycle", start_at_ms=100)
    s.look(10_000)
    assert [event.version for event in s.events] == [1, 2, 3, 4, 4, 5, 6, 6]
    assert [event.sequence for event in s.events] == list(range(1, 9))


def test_deadlines_come_before_the_command_that_finds_them(session):
    s = session("per_participant", {"A": 5_000, "B": 5_000}).start(0)
    decision = s.pause(5_000)
    assert [event.name for event in decision.events] == ["participant.expired", "session.paused"]
    assert [event.version for event in decision.events] == [3, 4]
    assert decision.expired.at_ms == 5_000


def test_a_command_applies_to_the_cycle_that_deadlines_have_led_to(session):
    s = session("per_cycle", "A B C", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    s.switch(2_500)
    assert s.active == "A"
    assert [s.used(name, 2_500) for name in "ABC"] == [1_000, 1_000, 500]


def test_a_command_comes_too_late_for_a_session_that_ended_by_itself(session):
    s = session("per_participant", {"A": 5_000, "B": 5_000}, on_timeout="end_session").start(0)
    with pytest.raises(WrongStatus, match="cannot switch a session that is expired"):
        s.switch(5_000)
    s.look(5_000)
    assert s.state.completed_ms == 5_000


@pytest.mark.parametrize(
    ("mode", "fields", "due"),
    [
        ("per_participant", {}, ("expiry", 60_000)),
        ("per_participant", {"warn_at": [10_000]}, ("warning", 50_000)),
        ("per_participant", {"warn_at": [10_000, 30_000]}, ("warning", 30_000)),
        ("per_participant", {"warn_at": [70_000]}, ("expiry", 60_000)),
        ("per_group", {"teams": {"A": "X", "B": "X"}}, ("expiry", 60_000)),
        ("per_cycle", {"time_per_cycle_ms": 7_000}, ("expiry", 7_000)),
        ("global", {"total_time_ms": 8_000}, ("expiry", 8_000)),
        ("count_up", {"max_time_ms": 9_000}, ("expiry", 9_000)),
        ("count_up", {}, None),
    ],
)
def test_the_next_deadline_of_a_running_session(session, mode, fields, due):
    assert session(mode, **fields).start(0).deadline == due


def test_there_is_no_deadline_but_the_schedule_unless_the_session_runs(session):
    s = session("per_participant", warn_at=[10_000])
    assert s.deadline is None
    s.start(0)
    s.pause(1_000)
    assert s.deadline is None
    s.resume(2_000)
    assert s.deadline == ("warning", 51_000)
    s.complete(3_000)
    assert s.deadline is None


def test_a_switch_moves_the_deadline(session):
    s = session("per_participant", {"A": 5_000, "B": 8_000}).start(0)
    s.switch(4_000)
    assert s.deadline == ("expiry", 12_000)
    s.switch(5_000)
    assert s.deadline == ("expiry", 6_000)


def test_an_expired_clock_has_no_further_deadline(session):
    s = session("per_participant", {"A": 1_000, "B": 8_000}, warn_at=[500]).start(0)
    s.look(1_000)
    assert s.deadline is None
    s.pause(2_000)
    s.resume(3_000)
    assert s.deadline is None
    s.switch(4_000, to="A")
    assert (s.deadline, s.look(90_000).events) == (None, ())


def test_looking_takes_no_more_transitions_than_it_is_told(session):
    s = session("per_cycle", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    assert observe(s.state, 10_000, limit=4).state.version == s.version + 4


def test_portions_lead_to_the_same_state_as_one_go(session):
    s = session("per_cycle", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    whole = observe(s.state, 600_500, limit=10_000)
    while s.look(600_500).events:
        pass
    assert s.state == whole.state
    assert s.events[2:] == list(whole.events)


def test_a_command_is_never_applied_to_a_session_that_is_still_behind(session):
    s = session("per_cycle", "A B", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    with pytest.raises(Unsettled):
        decide(s.state, cmd.Pause(), 300_500)
    s.look(300_500)
    s.pause(300_500)
    assert (s.seat("A").time_used_ms, s.seat("B").time_used_ms) == (150_500, 150_000)
