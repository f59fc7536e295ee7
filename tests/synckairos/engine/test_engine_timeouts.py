"""What happens when a clock runs out."""

import pytest

KEEPS_RUNNING = [(None, False), ("notify", False), ("auto_action", False)]
SKIPS = [(None, True), ("notify", True), ("skip_cycle", False), ("skip_cycle", True), ("auto_action", True)]
ENDS = [("end_session", False), ("end_session", True)]
BANKS = {"A": 5_000, "B": 9_000, "C": 9_000}


@pytest.mark.parametrize(("kind", "advance"), KEEPS_RUNNING)
def test_the_cycle_goes_on_in_overtime(session, kind, advance):
    s = session("per_participant", BANKS, on_timeout=kind, auto_advance=advance).start(0)
    s.look(5_700)
    shown = s.read(5_700)
    assert (s.status, s.active, s.seat("A").has_expired) == ("running", "A", True)
    assert (shown.time_remaining_ms, shown.overtime_ms, shown.deadline_ms) == (0, 700, 5_000)
    assert s.happened() == [("session.started", 0), ("participant.expired", 5_000)]


@pytest.mark.parametrize(("kind", "advance"), SKIPS)
def test_the_next_cycle_begins_at_the_deadline(session, ident, kind, advance):
    s = session("per_participant", BANKS, on_timeout=kind, auto_advance=advance).start(0)
    s.look(5_700)
    assert (s.status, s.active, s.used("A", 5_700), s.left("B", 5_700)) == ("running", "B", 5_000, 8_300)
    assert (s.seat("A").cycle_count, s.state.cycle.number) == (1, 1)
    switched = s.last("cycle.switched")
    assert (switched.at_ms, switched.on_timeout) == (5_000, True)
    assert (switched.from_participant_id, switched.to_participant_id) == (ident("A"), ident("B"))


@pytest.mark.parametrize(("kind", "advance"), ENDS)
def test_the_session_ends_at_the_deadline(session, kind, advance):
    s = session("per_participant", BANKS, on_timeout=kind, auto_advance=advance).start(0)
    s.look(5_700)
    assert (s.status, s.state.completed_ms, s.active) == ("expired", 5_000, None)
    assert (s.seat("A").has_expired, s.used("A", 5_700), s.seat("A").cycle_count) == (True, 5_000, 0)
    assert s.happened() == [("session.started", 0), ("participant.expired", 5_000), ("session.expired", 5_000)]


@pytest.mark.parametrize(
    ("kind", "advance", "told"),
    [
        (None, False, "notify"),
        ("notify", False, "notify"),
        ("notify", True, "skip_cycle"),
        (None, True, "skip_cycle"),
        ("skip_cycle", False, "skip_cycle"),
        ("auto_action", False, "auto_action"),
        ("auto_action", True, "auto_action"),
        ("end_session", True, "end_session"),
    ],
)
def test_the_event_tells_the_action_in_force(session, kind, advance, told):
    s = session("per_participant", BANKS, on_timeout=kind, auto_advance=advance).start(0)
    s.look(5_000)
    assert s.last("participant.expired").action_applied["type"] == told


@pytest.mark.parametrize(
    "action",
    [
        {"type": "skip_cycle", "penalty": {"points": -5}, "why": "slow"},
        {"type": "auto_action", "action": {"fold": True}},
        {"type": "notify", "sound": None},
        {"type": "end_session", "note": "gg"},
    ],
)
def test_other_keys_reach_the_event_untouched(session, action):
    s = session("per_participant", BANKS, on_timeout=dict(action)).start(0)
    s.look(5_000)
    assert s.last("participant.expired").action_applied == action
    assert s.state.config.action_on_timeout == action


def test_the_event_names_who_ran_out(session, ident):
    s = session("per_participant", BANKS, opener="B").start(0)
    s.look(9_000)
    expired = s.last("participant.expired")
    assert (expired.participant_id, expired.group_id) == (ident("B"), None)


def test_the_event_names_the_group_that_ran_out(session, ident):
    s = session("per_group", {"A": 5_000, "B": 9_000, "C": 5_000}, teams={"A": "X", "B": "Y", "C": "X"}).start(0)
    s.look(5_000)
    expired = s.last("participant.expired")
    assert (expired.participant_id, expired.group_id) == (ident("A"), ident("X"))
    assert (s.bank("X").has_expired, s.bank("Y").has_expired) == (True, False)
    assert [s.seat(name).has_expired for name in "ABC"] == [True, False, True]


@pytest.mark.parametrize(
    ("mode", "fields"), [("global", {"total_time_ms": 5_000}), ("count_up", {"max_time_ms": 5_000})]
)
def test_one_clock_for_all_expires_as_the_session_not_as_anybody(session, mode, fields):
    s = session(mode, **fields).start(0)
    s.look(5_500)
    assert (s.status, s.state.has_expired, s.seat("A").has_expired) == ("running", True, False)
    assert (s.read(5_500).overtime_ms, s.deadline) == (500, None)


@pytest.mark.parametrize("on_timeout", ["skip_cycle", "end_session"])
@pytest.mark.parametrize(
    ("mode", "fields"), [("global", {"total_time_ms": 5_000}), ("count_up", {"max_time_ms": 5_000})]
)
def test_one_clock_for_all_leaves_nothing_to_skip_to(session, mode, fields, on_timeout):
    s = session(mode, on_timeout=on_timeout, **fields).start(0)
    s.look(5_500)
    assert (s.status, s.state.completed_ms, s.state.has_expired) == ("expired", 5_000, True)
    assert s.last("session.expired").winner is None
    assert "winner" not in s.last("participant.expired").action_applied


def test_the_last_one_standing_wins(session, ident):
    s = session("per_participant", {"A": 5_000, "B": 9_000}, on_timeout="end_session").start(0)
    s.look(5_000)
    assert s.last("participant.expired").action_applied == {"type": "end_session", "winner": str(ident("B"))}
    assert s.last("session.expired").winner == ident("B")


@pytest.mark.parametrize("banks", [{"A": 5_000}, BANKS])
def test_there_is_no_winner_unless_exactly_one_is_left(session, banks):
    s = session("per_participant", banks, on_timeout="end_session").start(0)
    s.look(5_000)
    assert s.last("participant.expired").action_applied == {"type": "end_session"}
    assert s.last("session.expired").winner is None


def test_the_last_group_standing_wins(session, ident):
    teams = {"A": "X", "B": "Y", "C": "Y"}
    s = session("per_group", {"A": 5_000, "B": 9_000, "C": 9_000}, teams=teams, on_timeout="end_session").start(0)
    s.look(5_000)
    assert s.last("session.expired").winner == ident("Y")


def test_who_outlasts_a_fresh_clock_wins(session, ident):
    s = session("per_cycle", time_per_cycle_ms=5_000, on_timeout="end_session").start(0)
    s.switch(1_000)
    s.look(6_000)
    assert s.last("session.expired").winner == ident("A")


@pytest.mark.parametrize(
    ("mode", "fields", "named"),
    [
        ("per_participant", {}, "A"),
        ("per_group", {"teams": {"A": "X", "B": "Y", "C": "Z"}}, "A"),
        ("per_cycle", {"time_per_cycle_ms": 5_000}, "A"),
    ],
)
def test_a_switch_by_hand_names_who_had_run_out(session, ident, mode, fields, named):
    s = session(mode, BANKS, **fields).start(0)
    assert s.switch(6_000).expired_on_switch == ident(named)
    assert s.switch(7_000).expired_on_switch is None


def test_a_switch_by_hand_names_who_had_run_out_long_ago(session, ident):
    s = session("per_participant", BANKS).start(0)
    s.look(5_000)
    s.pause(6_000)
    s.resume(7_000)
    assert s.switch(8_000).expired_on_switch == ident("A")


def test_a_skip_by_itself_names_nobody(session):
    s = session("per_participant", BANKS, on_timeout="skip_cycle").start(0)
    assert s.look(5_000).expired_on_switch is None


def test_a_switch_after_skips_names_nobody_who_had_time(session):
    s = session("per_participant", BANKS, on_timeout="skip_cycle").start(0)
    decision = s.switch(5_500)
    assert decision.expired_on_switch is None
    assert decision.expired.at_ms == 5_000


def test_a_decision_without_an_expiry_has_none_to_show(session):
    s = session("per_participant", BANKS).start(0)
    assert s.switch(1_000).expired is None


@pytest.mark.parametrize(("mode", "fields"), [("per_participant", {}), ("per_cycle", {"time_per_cycle_ms": 5_000})])
def test_overtime_grows_through_pauses(session, mode, fields):
    s = session(mode, BANKS, **fields).start(0)
    s.pause(6_000)
    assert (s.read(7_000).overtime_ms, s.read(7_000).time_remaining_ms) == (1_000, 0)
    s.resume(10_000)
    assert s.read(10_500).overtime_ms == 1_500
    assert s.used("A", 10_500) == 6_500


def test_overtime_is_used_time_that_no_bank_pays(session):
    s = session("per_participant", BANKS).start(0)
    s.switch(6_500)
    assert (s.used("A", 6_500), s.left("A", 6_500), s.state.running_ms) == (6_500, 0, 6_500)


def test_overtime_starts_anew_with_each_cycle(session):
    s = session("per_participant", BANKS).start(0)
    s.switch(6_500)
    assert s.read(7_000).overtime_ms == 0
    s.switch(8_000, to="A")
    assert s.read(8_300).overtime_ms == 300


def test_a_fresh_clock_can_run_out_again_and_again(session):
    s = session("per_cycle", "A", time_per_cycle_ms=5_000).start(0)
    s.switch(6_000)
    s.look(12_000)
    assert [at for _, at in s.happened("participant.expired")] == [5_000, 11_000]


def test_switching_goes_on_after_the_common_clock_ran_out(session):
    s = session("global", total_time_ms=5_000).start(0)
    s.switch(6_000)
    s.switch(8_000)
    assert [s.used(name, 8_000) for name in "AB"] == [6_000, 2_000]
    assert len(s.happened("participant.expired")) == 1
