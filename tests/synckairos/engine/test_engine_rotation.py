"""Who comes next."""

import pytest

SKIPPING = pytest.mark.parametrize(
    "fields",
    [{"on_timeout": "skip_cycle"}, {"auto_advance": True}, {"on_timeout": "auto_action", "auto_advance": True}],
)


def turns(s, count, *, at=1):
    seen = s.active
    for step in range(count):
        s.switch(at + step)
        seen += s.active
    return seen


def test_turns_go_round_by_index(session):
    assert turns(session("per_participant", "A B C").start(0), 4) == "ABCAB"


def test_indexes_count_not_places_in_the_list(session):
    s = session("per_participant", "A B C", indexes={"A": 20, "B": 0, "C": 10}).start(0)
    assert turns(s, 3) == "BCAB"


def test_turns_go_on_from_whoever_opened(session):
    assert turns(session("per_participant", "A B C", opener="C").start(0), 2) == "CAB"


@pytest.mark.parametrize("wanted", ["A", "B", "C"])
def test_a_switch_goes_to_the_one_asked_for_even_the_same_one(session, ident, wanted):
    s = session("per_participant", "A B C").start(0)
    s.switch(1_000, to=wanted)
    switched = s.last("cycle.switched")
    assert s.active == wanted
    assert (switched.from_participant_id, switched.to_participant_id) == (ident("A"), ident(wanted))
    assert s.seat("A").cycle_count == 1


def test_turns_go_on_from_the_one_asked_for(session):
    s = session("per_participant", "A B C").start(0)
    s.switch(1_000, to="C")
    s.switch(2_000)
    assert s.active == "A"


@pytest.mark.parametrize("mode", ["per_participant", "per_cycle", "global", "count_up"])
def test_one_participant_starts_its_next_cycle(session, mode):
    s = session(mode, "A", time_per_cycle_ms=10_000, total_time_ms=60_000).start(0)
    s.switch(1_000)
    s.switch(3_000)
    assert (s.active, s.seat("A").cycle_count, s.seat("A").time_used_ms) == ("A", 2, 3_000)


@SKIPPING
def test_the_expired_are_passed_over_when_cycles_skip(session, fields):
    s = session("per_participant", {"A": 9_000, "B": 1_000, "C": 9_000}, **fields).start(0)
    s.switch(100)
    s.look(1_100)
    assert (s.active, s.seat("B").has_expired) == ("C", True)
    assert turns(s, 3, at=1_101) == "CACA"


@SKIPPING
def test_members_of_an_expired_group_are_passed_over(session, fields):
    teams, banks = {"A": "X", "B": "Y", "C": "X", "D": "Y"}, {"A": 1_000, "B": 9_000, "C": 1_000, "D": 9_000}
    s = session("per_group", banks, teams=teams, **fields).start(0)
    s.look(1_000)
    assert turns(s, 2, at=1_001) == "BDB"


@pytest.mark.parametrize("on_timeout", [None, "notify", "auto_action"])
def test_the_expired_keep_their_turns_otherwise(session, on_timeout):
    s = session("per_participant", {"A": 1_000, "B": 9_000}, on_timeout=on_timeout).start(0)
    s.look(1_000)
    assert turns(s, 2, at=1_001) == "ABA"


@SKIPPING
def test_an_expired_participant_may_still_be_asked_for(session, fields):
    s = session("per_participant", {"A": 1_000, "B": 9_000}, **fields).start(0)
    s.switch(1_500, to="A")
    assert (s.active, s.deadline) == ("A", None)
    s.switch(2_000)
    assert s.active == "B"


def test_fresh_clocks_pass_over_nobody(session):
    s = session("per_cycle", "A B", time_per_cycle_ms=1_000, on_timeout="skip_cycle").start(0)
    s.look(2_000)
    assert (s.active, s.seat("A").has_expired, s.seat("B").has_expired) == ("A", True, True)


def test_the_last_one_with_time_goes_on_alone(session):
    s = session("per_participant", {"A": 1_000, "B": 9_000}, on_timeout="skip_cycle").start(0)
    s.look(1_000)
    s.switch(2_000)
    s.switch(3_000)
    assert (s.active, s.seat("B").cycle_count) == ("B", 2)


@SKIPPING
def test_the_session_expires_when_nobody_is_left(session, fields):
    s = session("per_participant", {"A": 1_000, "B": 2_000, "C": 3_000}, **fields).start(0)
    s.look(90_000)
    assert (s.status, s.state.completed_ms, s.active) == ("expired", 6_000, None)
    assert s.happened("cycle.switched", "session.expired") == [
        ("cycle.switched", 1_000),
        ("cycle.switched", 3_000),
        ("session.expired", 6_000),
    ]
    assert s.last("session.expired").winner is None


def test_the_session_expires_when_no_group_is_left(session):
    s = session(
        "per_group",
        {"A": 1_000, "B": 2_000, "C": 1_000},
        teams={"A": "X", "B": "Y", "C": "X"},
        on_timeout="skip_cycle",
    ).start(0)
    s.look(90_000)
    assert (s.status, s.state.completed_ms) == ("expired", 3_000)


def test_a_single_participant_without_time_ends_the_session(session):
    s = session("per_participant", {"A": 1_000}, on_timeout="skip_cycle").start(0)
    s.look(5_000)
    assert (s.status, s.state.completed_ms) == ("expired", 1_000)


def test_without_participants_a_switch_only_counts_the_cycle(session):
    s = session("count_up", "").start(0)
    s.switch(1_000)
    switched = s.last("cycle.switched")
    assert (switched.from_participant_id, switched.to_participant_id, s.state.cycle.number) == (None, None, 1)


def test_the_first_newcomer_of_an_empty_session_gets_the_next_cycle(session):
    s = session("count_up", "").start(0)
    s.add(1_000, "A")
    assert s.active is None
    s.switch(2_000)
    assert (s.active, s.used("A", 5_000), s.state.running_ms) == ("A", 3_000, 2_000)
