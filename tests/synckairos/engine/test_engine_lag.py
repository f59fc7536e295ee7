"""Lag compensation: what the network took of a turn is not charged, within a quota and what the server has measured."""

import pytest

from synckairos.engine.controls.bronstein import Bronstein
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.controls.delay import Delay
from synckairos.engine.controls.fischer import Fischer
from synckairos.engine.controls.hourglass import Hourglass
from synckairos.engine.controls.overtime import Overtime
from synckairos.engine.controls.per_turn import PerTurn
from synckairos.engine.controls.sudden_death import SuddenDeath
from synckairos.engine.lag import compensate, open_account
from synckairos.engine.refusals import NotActive, Problems, VersionMismatch
from tests.synckairos.engine.conftest import id_of

SLOW = 60_000
"""A round trip that the server has measured, longer than any lag here."""
TEN_MINUTES = SuddenDeath(main_time_ms=600_000)
MINUTE = SuddenDeath(main_time_ms=60_000)


@pytest.fixture
def game(session):
    """A session of A and B that compensates lag, and has begun."""

    def make(control=TEN_MINUTES, mode="per_participant", **fields):
        return session(mode, "A B", time_control=control, lag=True, **fields).start(0)

    return make


def plays(s, turn_ms, *, think=None, measured=SLOW):
    """A's turn of this length is ended, and B answers at once; returns what A has left."""
    at = s.state.updated_ms + turn_ms
    s.switch(at, "B", claim="A", think_ms=think, measured_ms=measured)
    s.switch(at, "A", claim="B", think_ms=0, measured_ms=SLOW)
    return s.left("A", at)


def account(s, name="A"):
    return s.seat(name).lag


# The vectors that are published with scalachess (ClockTest.scala), in hundredths of a second as there.


@pytest.mark.parametrize(
    ("limit_s", "wait", "lags", "left"),
    [
        (600, 0, [0], 60_000),
        (600, 0, [20], 60_000),
        (600, 100, [0], 59_900),
        (600, 0, [0, 300], 60_000),
        (600, 0, [400], 59_900),
        (600, 100, [400], 59_800),
        (600, 0, [300, 300], 59_800),
        (600, 0, [*[0] * 8, 800], 59_900),
        (600, 0, [*[0] * 5, 500, 600], 59_700),
        (600, 0, [*[0] * 5, 500, 500, 500], 59_400),
        (60, 0, [0, 300], 5_856),
        (60, 0, [*[0] * 4, 700], 5_573),
    ],
)
@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_the_published_vectors(game, mode, limit_s, wait, lags, left):
    teams = {"A": "X", "B": "Y"} if mode == "per_group" else {}
    s = game(SuddenDeath(main_time_ms=1_000 * limit_s), mode, teams=teams)
    for lag in lags:
        shown = plays(s, 10 * (wait + lag), think=10 * wait)
    assert shown == 10 * left


@pytest.mark.parametrize(
    ("control", "at", "is_out"),
    [
        (MINUTE, 61_000, False),
        (MINUTE, 61_169, False),
        (MINUTE, 61_170, True),
        (MINUTE, 61_900, True),
        (TEN_MINUTES, 601_900, False),
        (TEN_MINUTES, 601_999, False),
        (TEN_MINUTES, 602_000, True),
    ],
)
def test_an_expiry_waits_for_a_switch_that_may_be_under_way(game, control, at, is_out):
    s = game(control)
    s.look(at)
    assert s.seat("A").has_expired is is_out


@pytest.mark.parametrize(
    ("control", "gain_ms"),
    [
        (MINUTE, 390),
        (TEN_MINUTES, 1_000),
        (Fischer(main_time_ms=60_000, increment_ms=1_000), 550),
        (ByoYomi(main_time_ms=0, periods=1, period_ms=1_000), 250),
        (SuddenDeath(main_time_ms=900), 150),
    ],
)
@pytest.mark.parametrize("mode", ["per_participant", "per_group"])
def test_the_quota_is_sized_by_what_a_game_is_expected_to_take(game, mode, control, gain_ms):
    s = game(control, mode, teams={"A": "X", "B": "Y"} if mode == "per_group" else {})
    assert (account(s).gain_ms, account(s).quota_ms) == (gain_ms, 3 * gain_ms)


def test_the_quota_of_a_group_is_sized_by_its_bank_and_its_control(session):
    s = session(
        "per_group",
        {"A": None, "B": None, "C": None},
        teams={"A": "X", "B": "Y", "C": "Z"},
        groups={"X": 600_000, "Y": 60_000, "Z": None},
        controls={"Y": Fischer(increment_ms=1_000), "Z": MINUTE},
        lag=True,
    )
    s.add(0, "D", None, team="X")
    assert [account(s, name).gain_ms for name in "ABCD"] == [1_000, 550, 390, 1_000]


# What the server has measured bounds what it grants.


@pytest.mark.parametrize(
    ("think", "measured", "granted"),
    [
        (4_000, 1_000, 1_000),
        (4_000, 300, 300),
        (4_700, 1_000, 300),
        (0, 300, 300),
        (0, 0, 0),
        (5_000, 300, 0),
        (9_000, 300, 0),
        (4_000, None, 0),
        (0, None, 0),
        (None, None, 0),
        (None, 300, 300),
        (None, 9_000, 3_000),
    ],
)
def test_no_more_is_granted_than_was_measured_whatever_the_client_says(game, think, measured, granted):
    s = game()
    assert plays(s, 5_000, think=think, measured=measured) == 595_000 + granted


def test_a_liar_gains_in_a_whole_game_no_more_than_was_measured(game):
    s = game(MINUTE)
    for _ in range(50):
        plays(s, 1_000, think=0, measured=40)
    assert s.left("A", s.state.updated_ms) == 60_000 - 50 * 1_000 + 50 * 40
    assert account(s).granted_ms == 50 * 40


def test_who_always_claims_all_that_was_measured_is_bounded_by_the_quota(game):
    s = game()
    for _ in range(20):
        plays(s, 5_000, think=0, measured=SLOW)
    assert account(s).granted_ms == 3_000 + 19 * 1_000


def test_a_turn_renews_the_quota_by_little_more_than_was_measured(game):
    s = game()
    plays(s, 5_000, think=5_000, measured=100)
    assert account(s).quota_ms == 3_000 + 240
    plays(s, 5_000, think=0, measured=100)
    assert account(s).quota_ms == 3_240 + 240 - 100


def test_the_quota_is_never_above_seven_gains(game):
    s = game(MINUTE)
    for _ in range(20):
        plays(s, 10, think=10)
    assert account(s).quota_ms == 7 * 390


def test_measures_are_averaged_and_the_latest_weighs_a_tenth(game):
    s = game()
    averages = []
    for measured in (200, 300, None, 0):
        plays(s, 1_000, think=1_000, measured=measured)
        averages.append(account(s).average_ms)
    assert averages == [200, 210, 210, 189]


def test_without_a_word_of_the_client_its_average_lag_is_taken(game):
    s = game()
    assert plays(s, 1_000, measured=200) == 599_200
    assert plays(s, 1_000, measured=400) == 598_420
    assert plays(s, 100, measured=400) == 598_420


def test_no_turn_is_charged_less_than_nothing(game):
    s = game()
    assert plays(s, 100, think=None, measured=SLOW) == 600_000
    assert plays(s, 0, think=0) == 600_000


def test_the_event_and_the_account_say_what_was_claimed_measured_and_granted(game):
    s = game()
    s.switch(5_000, think_ms=3_000, measured_ms=400)
    lag = s.last("cycle.switched").lag
    assert (lag.claimed_ms, lag.measured_ms, lag.granted_ms) == (2_000, 400, 400)
    assert lag.account == account(s)
    assert (account(s).granted_ms, account(s).uncompensated_ms) == (400, 1_600)
    s.switch(6_000)
    assert (s.last("cycle.switched").lag.claimed_ms, account(s, "B").granted_ms) == (None, 0)
    s.switch(8_000, think_ms=1_500, measured_ms=300)
    assert (account(s).granted_ms, account(s).uncompensated_ms) == (700, 1_800)


def test_time_used_is_what_really_passed(game):
    s = game()
    s.switch(5_000, think_ms=4_000, measured_ms=800)
    assert (s.left("A", 5_000), s.used("A", 5_000), s.state.running_ms) == (595_800, 5_000, 5_000)
    assert s.last("cycle.switched").turn_ms == 5_000


def test_what_came_before_a_pause_is_no_lag(game):
    s = game()
    s.pause(5_000)
    s.resume(50_000)
    s.switch(50_200, think_ms=0, measured_ms=1_000)
    assert s.left("A", 50_200) == 600_000 - 5_000


def test_a_session_that_does_not_compensate_lag_ignores_what_is_said(session):
    s = session("per_participant").start(0)
    s.switch(5_000, think_ms=0, measured_ms=3_000)
    assert (s.left("A", 5_000), s.seat("A").lag, s.last("cycle.switched").lag) == (55_000, None, None)


@pytest.mark.parametrize("mode", ["per_cycle", "global", "count_up"])
def test_lag_is_compensated_only_where_participants_or_groups_have_clocks(session, mode):
    with pytest.raises(Problems) as refused:
        session(mode, lag=True, time_per_cycle_ms=9_000, total_time_ms=9_000)
    message = f"No participant has a clock of its own in {mode} mode."
    assert refused.value.problems == [("lag_compensation", message)]


# Under a time control.


def test_bronstein_gives_back_what_the_turn_took_without_its_lag(game):
    s = game(Bronstein(main_time_ms=600_000, delay_ms=5_000))
    assert plays(s, 4_000, think=3_000) == 600_000
    assert plays(s, 9_000, think=8_000) == 597_000


def test_the_delay_covers_the_lag_first(game):
    s = game(Delay(main_time_ms=600_000, delay_ms=5_000))
    assert plays(s, 5_500, think=5_000) == 600_000
    assert plays(s, 7_500, think=7_000) == 598_000


def test_a_delay_without_base_is_played_on_with_lag(game):
    s = game(Delay(main_time_ms=0, delay_ms=5_000))
    assert plays(s, 4_000, think=4_000) == 0
    assert not s.seat("A").has_expired
    assert plays(s, 5_100, think=4_900, measured=150) == 0
    assert not s.seat("A").has_expired
    plays(s, 5_200, think=4_900, measured=150)
    assert s.seat("A").has_expired


def test_what_an_hourglass_grants_one_clock_the_other_does_not_gain(game):
    s = game(Hourglass(main_time_ms=60_000))
    s.switch(5_000, think_ms=4_000, measured_ms=700)
    assert (s.left("A", 5_000), s.left("B", 5_000)) == (55_700, 64_300)
    s.undo(6_000)
    assert (s.left("A", 6_000), s.left("B", 6_000)) == (54_000, 66_000)


def test_a_phase_does_not_wait_and_lag_gives_none_of_it_back(game):
    s = game(ByoYomi(main_time_ms=10_000, periods=1, period_ms=30_000))
    s.switch(10_300, think_ms=9_000, measured_ms=2_000)
    assert s.happened("clock.phase_changed") == [("clock.phase_changed", 10_000)]
    assert (s.left("A", 10_300), account(s).granted_ms) == (30_000, 300)
    assert account(s).uncompensated_ms == 1_000


def test_the_last_phase_waits(game):
    s = game(ByoYomi(main_time_ms=0, periods=2, period_ms=3_000))
    grace = account(s).grace_ms
    s.look(90_000)
    assert s.happened()[1:] == [("clock.phase_changed", 3_000), ("participant.expired", 6_000 + grace)]


def test_overtime_is_not_fined_for_lag(game):
    s = game(Overtime(main_time_ms=600_000, max_overtime_ms=600_000))
    s.switch(660_200, think_ms=659_900, measured_ms=300)
    assert s.last("cycle.switched").penalty_points == 10


# Near the end of a clock.


@pytest.mark.parametrize(
    ("at", "think", "measured", "left"),
    [
        (60_300, 59_900, 500, 1_100),
        (60_300, 59_999, 500, 1_001),
        (60_300, 60_000, 500, None),
        (60_300, 59_900, 301, 1_001),
        (60_300, 59_900, 300, None),
        (60_300, 59_900, None, None),
        (60_000, 59_000, 0, None),
        (60_000, 59_000, 1, 1_001),
        (60_549, 0, 550, 1_001),
        (60_550, 0, 550, None),
    ],
)
def test_a_switch_within_the_grace_is_in_time_if_its_lag_shows_so(game, at, think, measured, left):
    s = game(Fischer(main_time_ms=60_000, increment_ms=1_000))
    decision = s.switch(at, claim="A", think_ms=think, measured_ms=measured)
    if left is None:
        assert [(e.name, e.at_ms) for e in decision.events] == [("participant.expired", at), ("cycle.switched", at)]
        assert (s.seat("A").has_expired, s.left("A", at), decision.expired_on_switch) == (True, 0, id_of("A"))
        assert (decision.due, decision.late) == (1, 0)
    else:
        assert [e.name for e in decision.events] == ["cycle.switched"]
        assert (s.seat("A").has_expired, s.left("A", at)) == (False, left)
    assert (s.active, s.used("A", at)) == ("B", at)


def test_a_switch_after_the_grace_finds_the_clock_expired_at_its_end(game):
    s = game(MINUTE)
    s.switch(61_170, think_ms=59_000, measured_ms=2_170)
    assert s.happened("participant.expired") == [("participant.expired", 61_170)]
    assert s.last("cycle.switched").lag is None


def test_a_switch_that_came_too_late_ends_the_session_where_an_expiry_does(game, ident):
    s = game(MINUTE, on_timeout="end_session")
    decision = s.switch(60_500, claim="A", think_ms=60_400, measured_ms=200)
    assert [e.name for e in decision.events] == ["participant.expired", "session.expired"]
    assert (s.status, s.last("session.expired").winner) == ("expired", ident("B"))
    assert decision.expired_on_switch == ident("A")
    assert decision.expired.action_applied["winner"] == str(ident("B"))
    assert (decision.due, decision.late, decision.deadline) == (0, 2, None)


@pytest.mark.parametrize("claim", [None, "A"])
def test_a_switch_that_came_too_late_ends_one_turn_where_an_expiry_does_so_too(game, ident, claim):
    s = game(MINUTE, on_timeout="skip_cycle")
    decision = s.switch(60_500, claim=claim, think_ms=60_400, measured_ms=200)
    assert [e.name for e in decision.events] == ["participant.expired", "cycle.switched"]
    assert (s.active, s.seat("B").cycle_count, decision.expired_on_switch) == ("B", 0, ident("A"))
    assert s.events[-1].on_timeout


def test_a_switch_that_came_too_late_is_still_refused_for_what_else_is_wrong_with_it(game):
    s = game(MINUTE)
    before = s.state
    with pytest.raises(NotActive):
        s.switch(60_500, claim="B", think_ms=60_400, measured_ms=200)
    with pytest.raises(VersionMismatch):
        s.switch(60_500, think_ms=60_400, measured_ms=200, expected_version=1)
    assert s.state == before
    s.switch(60_500, think_ms=60_400, measured_ms=200, expected_version=2)
    assert s.version == 4


def test_a_next_clock_without_time_ends_at_once_too(session):
    s = session("per_participant", {"A": 60_000, "B": 0}, lag=True, on_timeout="skip_cycle").start(0)
    s.switch(60_500, think_ms=60_400, measured_ms=200)
    assert (s.active, s.left("B", 60_500), s.deadline) == ("B", 0, ("expiry", 60_500 + account(s, "B").grace_ms))


def test_the_clock_shows_no_time_in_the_grace(game):
    s = game(MINUTE)
    s.look(60_400)
    reading = s.read(60_400)
    assert (reading.time_remaining_ms, reading.overtime_ms, reading.deadline_ms) == (0, 400, 60_000)
    assert not s.seat("A").has_expired


def test_overtime_counts_from_the_end_of_the_clock(game):
    s = game(MINUTE)
    s.look(70_000)
    assert (s.read(70_000).overtime_ms, s.seat("A").has_expired) == (10_000, True)


@pytest.mark.parametrize("pauses", [False, True], ids=["running", "paused"])
def test_a_clock_that_gets_time_within_the_grace_runs_on_without_overtime(game, pauses):
    s = game(MINUTE)
    if pauses:
        s.pause(60_400)
    s.adjust_clock(60_400, to=5_000)
    if pauses:
        s.resume(60_400)
    reading = s.read(60_400)
    assert (reading.time_remaining_ms, reading.overtime_ms, reading.deadline_ms) == (5_000, 0, 65_400)
    s.switch(63_000, think_ms=63_000, measured_ms=SLOW)
    assert (s.left("A", 63_000), s.seat("A").has_expired) == (2_400, False)


def test_the_change_of_a_waiting_clock_within_the_grace_gives_the_other_no_time(game):
    s = game(MINUTE)
    s.adjust(60_400, "B", by=5_000)
    assert (s.read(60_500).time_remaining_ms, s.read(60_500).overtime_ms) == (0, 500)
    s.look(90_000)
    assert s.seat("A").has_expired


def test_a_pause_within_the_grace_gives_no_time(game):
    s = game(MINUTE)
    s.pause(60_400)
    s.resume(70_000)
    decision = s.switch(70_100, think_ms=0, measured_ms=SLOW)
    assert decision.expired_on_switch == id_of("A")


def test_a_renewed_turn_has_its_grace_too(game):
    s = game(PerTurn(time_ms=5_000))
    assert plays(s, 5_100, think=4_900, measured=300) == 5_000
    assert not s.seat("A").has_expired


# A switch that is taken back.


def test_a_switch_taken_back_restores_the_account(game):
    s = game()
    plays(s, 5_000, think=4_000)
    before, left = account(s), s.left("A", s.state.updated_ms)
    s.switch(8_000, think_ms=0, measured_ms=2_000)
    assert account(s) != before
    s.undo(9_000)
    assert (account(s), s.left("A", 9_000)) == (before, left - 4_000)
    s.switch(9_000, think_ms=3_000, measured_ms=2_000)
    assert account(s).granted_ms == before.granted_ms + 1_000


# The account by itself.


@pytest.mark.parametrize(
    ("expected_ms", "gain_ms"),
    [(0, 150), (999, 150), (1_000, 150), (3_000, 160), (60_000, 390), (212_500, 990), (10**7, 1_000)],
)
def test_a_gain_is_two_fifths_of_a_hundredth_and_a_little_more(expected_ms, gain_ms):
    opened = open_account(expected_ms)
    assert (opened.gain_ms, opened.quota_ms, opened.granted_ms, opened.uncompensated_ms) == (gain_ms, 3 * gain_ms, 0, 0)


def test_nothing_is_granted_beyond_the_limit_of_the_caller():
    lag = compensate(open_account(600_000), 5_000, 4_000, 5_000, limit_ms=250)
    assert (lag.claimed_ms, lag.granted_ms, lag.account.uncompensated_ms) == (1_000, 250, 750)
