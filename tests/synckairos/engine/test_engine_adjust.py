"""Time given and taken by a moderator."""

import pytest

from synckairos.engine import MAX_TIME_MS
from synckairos.engine.refusals import NoSuchParticipant, Problems

WITH_BANKS = pytest.mark.parametrize(
    ("mode", "fields"), [("per_participant", {}), ("per_group", {"teams": {"A": "X", "B": "Y"}})]
)
CHANGES = pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"to": 5_000}, 5_000),
        ({"to": 0}, 0),
        ({"by": 1_500}, 51_500),
        ({"by": -1_500}, 48_500),
        ({"by": -50_000}, 0),
        ({"by": -90_000}, 0),
        ({"by": MAX_TIME_MS}, MAX_TIME_MS),
        ({"by": 0}, 50_000),
    ],
)


@WITH_BANKS
@CHANGES
def test_the_running_clock_is_changed_from_what_is_left_at_that_instant(session, mode, fields, change, left):
    s = session(mode, **fields).start(0)
    s.adjust(10_000, "A", **change)
    assert (s.left("A", 10_000), s.used("A", 10_000)) == (left, 10_000)
    assert s.last("participant.adjusted").total_time_ms == left


@WITH_BANKS
@CHANGES
def test_a_paused_clock_is_changed_alike(session, mode, fields, change, left):
    s = session(mode, **fields).start(0)
    s.pause(10_000)
    s.adjust(30_000, "A", **change)
    assert (s.left("A", 30_000), s.used("A", 30_000)) == (left, 10_000)


@WITH_BANKS
@pytest.mark.parametrize(("change", "left"), [({"to": 5_000}, 5_000), ({"by": -1_500}, 58_500), ({"by": 1}, 60_001)])
def test_a_waiting_clock_is_changed_while_another_runs(session, mode, fields, change, left):
    s = session(mode, **fields).start(0)
    s.adjust(10_000, "B", **change)
    assert (s.left("B", 20_000), s.left("A", 20_000), s.used("A", 20_000)) == (left, 40_000, 20_000)
    assert s.deadline == ("expiry", 60_000)


def test_a_bank_is_changed_before_the_start(session):
    s = session("per_participant")
    s.adjust(5, "A", by=1_000)
    assert s.start(10).deadline == ("expiry", 61_010)


def test_the_running_clock_goes_on_from_its_new_time(session):
    s = session("per_participant").start(0)
    s.adjust(10_000, "A", to=5_000)
    assert s.deadline == ("expiry", 15_000)
    s.look(15_000)
    assert (s.seat("A").has_expired, s.seat("A").time_used_ms, s.used("A", 15_000)) == (True, 10_000, 15_000)


def test_a_change_opens_no_new_cycle(session):
    s = session("per_participant").start(0)
    s.adjust(10_000, "A", to=5_000)
    assert (s.active, s.seat("A").cycle_count, s.state.cycle.number) == ("A", 0, 0)
    s.switch(12_000)
    assert (s.used("A", 12_000), s.seat("A").cycle_count) == (12_000, 1)


def test_a_change_carries_its_reason(session):
    s = session("per_participant")
    s.adjust(0, "A", by=1, reason="the hall was dark")
    assert s.last("participant.adjusted").reason == "the hall was dark"


def test_all_time_taken_expires_the_running_clock_at_that_instant(session):
    s = session("per_participant", on_timeout="skip_cycle").start(0)
    decision = s.adjust(10_000, "A", to=0)
    assert [e.name for e in decision.events] == ["participant.adjusted", "participant.expired", "cycle.switched"]
    assert [e.version for e in decision.events] == [3, 4, 4]
    assert s.active == "B"


def test_all_time_taken_from_a_waiting_clock_expires_it_when_its_turn_comes(session):
    s = session("per_participant", on_timeout="skip_cycle").start(0)
    s.adjust(10_000, "B", to=0)
    assert not s.seat("B").has_expired
    s.switch(20_000)
    assert s.happened("participant.expired") == [("participant.expired", 20_000)]
    assert (s.active, s.seat("B").has_expired) == ("A", True)


@WITH_BANKS
def test_added_time_revives_the_expired_clock_that_runs(session, mode, fields):
    s = session(mode, **fields).start(0)
    s.adjust(65_000, "A", by=4_000)
    assert (s.seat("A").has_expired, s.left("A", 65_000), s.read(65_000).overtime_ms) == (False, 4_000, 0)
    assert s.deadline == ("expiry", 69_000)
    s.look(70_000)
    assert [at for _, at in s.happened("participant.expired")] == [60_000, 69_000]
    assert (s.read(70_000).overtime_ms, s.used("A", 70_000)) == (1_000, 70_000)


@WITH_BANKS
def test_added_time_revives_an_expired_clock_that_waits(session, mode, fields):
    s = session(mode, on_timeout="skip_cycle", **fields).start(0)
    s.look(60_000)
    s.adjust(61_000, "A", by=4_000)
    assert (s.seat("A").has_expired, s.active) == (False, "B")
    s.switch(62_000)
    assert (s.active, s.deadline) == ("A", ("expiry", 66_000))


def test_added_time_revives_an_expired_clock_in_a_pause(session):
    s = session("per_participant").start(0)
    s.pause(65_000)
    s.adjust(66_000, "A", by=4_000)
    assert (s.read(66_000).time_remaining_ms, s.read(66_000).overtime_ms) == (4_000, 0)
    s.resume(70_000)
    assert s.deadline == ("expiry", 74_000)


@WITH_BANKS
def test_a_revived_clock_shows_no_overtime_though_it_ran_out_in_an_earlier_cycle(session, mode, fields):
    s = session(mode, **fields).start(0)
    s.switch(61_000)
    s.switch(62_000)
    assert (s.active, s.read(63_000).overtime_ms) == ("A", 1_000)
    s.adjust(63_000, "A", by=4_000)
    assert (s.read(64_000).time_remaining_ms, s.read(64_000).overtime_ms) == (3_000, 0)


def test_a_revived_clock_earns_increments_again(session):
    s = session("per_participant", increment_ms=2_000).start(0)
    s.adjust(65_000, "A", by=4_000)
    assert s.switch(66_000).expired_on_switch is None
    assert s.left("A", 66_000) == 5_000


@pytest.mark.parametrize("change", [{"to": 0}, {"by": 0}, {"by": -5}])
def test_an_expired_clock_stays_expired_without_time(session, change):
    s = session("per_participant").start(0)
    s.adjust(65_000, "A", **change)
    assert (s.seat("A").has_expired, s.deadline, s.read(66_000).overtime_ms) == (True, None, 6_000)
    assert len(s.happened("participant.expired")) == 1


def test_overtime_goes_on_while_another_bank_is_changed(session):
    s = session("per_participant").start(0)
    s.adjust(65_000, "B", by=4_000)
    assert (s.read(66_000).overtime_ms, s.left("A", 66_000), s.left("B", 66_000)) == (6_000, 0, 64_000)


def test_a_group_is_changed_through_any_member(session):
    s = session("per_group", "A B C", teams={"A": "X", "B": "Y", "C": "X"}).start(0)
    s.adjust(10_000, "C", by=5_000)
    assert (s.left("A", 10_000), s.left("C", 10_000), s.left("B", 10_000)) == (55_000, 55_000, 60_000)
    assert s.deadline == ("expiry", 65_000)


def test_an_expired_group_is_revived_through_any_member(session):
    s = session("per_group", "A B C", teams={"A": "X", "B": "Y", "C": "X"}).start(0)
    s.adjust(61_000, "C", by=5_000)
    assert (s.bank("X").has_expired, s.seat("A").has_expired, s.seat("C").has_expired) == (False, False, False)
    assert s.deadline == ("expiry", 66_000)


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
@pytest.mark.parametrize(("change", "field"), [({"to": 5}, "total_time_ms"), ({"by": 5}, "adjust_ms")])
@pytest.mark.parametrize("mode", ["per_cycle", "global", "count_up"])
def test_there_is_nothing_to_change_where_participants_own_no_time(session, mode, change, field, status):
    s = session(mode, time_per_cycle_ms=9_000, total_time_ms=9_000)
    if status != "pending":
        s.start(0)
    if status == "paused":
        s.pause(0)
    with pytest.raises(Problems) as refused:
        s.adjust(1_000, "A", **change)
    assert refused.value.problems == [(field, f"Participants own no time in {mode} mode.")]


def test_a_stranger_owns_no_time(session):
    with pytest.raises(NoSuchParticipant):
        session("per_participant").adjust(0, "Z", by=1)
