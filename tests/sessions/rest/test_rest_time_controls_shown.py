"""What a state shows of its clocks.

They are adjusted here instead of waited for; what a control does is tested in tests/synckairos/engine.
"""

from __future__ import annotations

from tests.sessions.rest.controls import bare, teams
from tests.talk import at, created, done, ms


def set_clock(api, state, left_ms):
    """The state after the running clock was set to this."""
    return done(api.patch(at(state, "clock"), json={"set_ms": left_ms}))


def started(api, body):
    """A running session."""
    return done(api.post(at(created(api, body), "start")))


def test_a_clock_that_runs_says_from_when_to_when(api):
    state = started(api, bare(time_control="300+2"))
    running, waiting = state["participants"]
    began_ms = ms(state["cycle_started_at"])
    assert ms(running["drains_from"]) == ms(state["drains_from"]) == began_ms
    assert ms(running["deadline_at"]) == ms(state["deadline_at"]) == began_ms + 300_000
    assert {"drains_from", "deadline_at", "gains_from"}.isdisjoint(waiting)
    paused = done(api.post(at(state, "pause")))
    assert paused["drains_from"] is None
    assert {"drains_from", "deadline_at"}.isdisjoint(paused["participants"][0])


def test_a_delay_drains_later_and_a_pause_does_not_renew_it(api):
    state = started(api, bare(time_control="300+3600d"))
    began_ms = ms(state["cycle_started_at"])
    assert ms(state["drains_from"]) == began_ms + 3_600_000
    assert ms(state["deadline_at"]) == began_ms + 3_900_000
    assert state["participants"][0]["phase"] == "main"
    paused = done(api.post(at(state, "pause")))
    used_ms = paused["elapsed_ms"]
    assert paused["time_remaining_ms"] == 300_000
    resumed = done(api.post(at(state, "resume")))
    assert ms(resumed["drains_from"]) == ms(resumed["cycle_started_at"]) + 3_600_000 - used_ms


def test_byo_yomi_shows_its_periods(api):
    state = started(api, bare(time_control="600 5x30 byo-yomi"))
    assert state["participants"][0]["phase"] == "main"
    assert "periods_left" not in state["participants"][0]
    state = set_clock(api, state, 0)
    running, waiting = state["participants"]
    assert (running["phase"], running["periods_left"], running["time_remaining_ms"]) == ("byo_yomi", 5, 30_000)
    assert ms(running["deadline_at"]) == state["server_time_ms"] + 30_000
    assert waiting["phase"] == "main"
    state = set_clock(api, state, 0)
    assert state["participants"][0]["periods_left"] == 4
    done(api.post(at(state, "switch")))
    shown = done(api.get(at(state)))["participants"][0]
    assert (shown["periods_left"], shown["time_remaining_ms"]) == (4, 30_000)  # the period begins anew


def test_canadian_shows_the_turns_of_the_block(api):
    state = started(api, bare(1, time_control="600 3/300 Canadian"))
    state = set_clock(api, state, 0)
    seen = []
    for _ in range(3):
        shown = done(api.get(at(state)))["participants"][0]
        seen.append((shown["phase"], shown["turns_left"]))
        done(api.post(at(state, "switch")))
    assert seen == [("block", 3), ("block", 2), ("block", 1)]
    shown = done(api.get(at(state)))["participants"][0]
    assert shown["turns_left"] == 3
    assert shown["total_time_ms"] == 300_000  # at the start of the turn


def test_stages_show_their_number_and_the_turns_until_the_next(api):
    state = started(api, bare(1, time_control="2/60:30+5"))
    seen = []
    for _ in range(3):
        shown = done(api.get(at(state)))["participants"][0]
        seen.append((shown["stage"], shown.get("turns_left")))
        done(api.post(at(state, "switch")))
    assert seen == [(1, 2), (1, 1), (2, None)]


def test_a_time_bank_shows_what_is_in_the_bank(api):
    state = started(api, bare(time_control="60 allowance 15"))
    running = state["participants"][0]
    assert (running["phase"], running["reserve_ms"], running["time_remaining_ms"]) == ("allowance", 60_000, 15_000)
    running = set_clock(api, state, 0)["participants"][0]
    assert (running["phase"], running["time_remaining_ms"]) == ("bank", 60_000)
    assert "reserve_ms" not in running
    set_clock(api, state, 20_000)
    done(api.post(at(state, "pause")))
    resumed = done(api.post(at(state, "resume")))
    left_ms = resumed["time_remaining_ms"]
    done(api.post(at(state, "pause")))
    before = done(api.get(at(state)))["participants"][0]
    assert before["phase"] == "bank"
    assert before["time_remaining_ms"] <= left_ms <= 20_000
    done(api.post(at(state, "resume")))
    done(api.post(at(state, "switch")))
    shown = done(api.get(at(state)))["participants"][0]
    assert (shown["phase"], shown["time_remaining_ms"]) == ("allowance", 15_000)
    assert shown["reserve_ms"] <= before["time_remaining_ms"]


def test_overtime_shows_the_points_that_it_has_cost_so_far(api):
    state = started(api, bare(time_control="1500 overtime 600 -5/30"))
    assert "penalty_points" not in state["participants"][0]
    state = set_clock(api, state, 0)
    running = state["participants"][0]
    assert (running["phase"], running["time_remaining_ms"]) == ("overtime", 600_000)
    assert "penalty_points" not in running
    for used_ms, points in ((1, 5), (30_000, 5), (30_001, 10), (299_000, 50)):
        assert set_clock(api, state, 600_000 - used_ms)["participants"][0]["penalty_points"] == points
    done(api.post(at(state, "switch")))
    assert done(api.get(at(state)))["participants"][0]["penalty_points"] == 50


def test_an_hourglass_shows_from_when_the_other_clock_gains(api):
    state = started(api, bare(time_control="*180"))
    running, other = state["participants"]
    assert other["gains_from"] == running["drains_from"] == state["drains_from"]
    assert other["deadline_at"] == running["deadline_at"] == state["deadline_at"]
    assert "drains_from" not in other
    assert "gains_from" not in running
    later = done(api.get(at(state)))
    assert sum(p["time_remaining_ms"] for p in later["participants"]) == 360_000
    paused = done(api.post(at(state, "pause")))
    assert sum(p["total_time_ms"] for p in paused["participants"]) == 360_000
    assert "gains_from" not in paused["participants"][1]


def test_a_clock_of_one_turn_is_whole_in_the_next(api):
    state = started(api, bare(time_control="30 per turn"))
    set_clock(api, state, 10_000)
    done(api.post(at(state, "switch")))
    shown = done(api.get(at(state)))["participants"]
    assert shown[0]["time_remaining_ms"] == 30_000
    assert {p["phase"] for p in shown} == {"main"}


def test_a_group_shows_the_same_clock_as_its_members(api):
    state = started(api, teams(None, "60 3x10 byo-yomi", time_control="600 15/300 Canadian"))
    state = set_clock(api, state, 0)
    for group in state["groups"]:
        members = [p for p in state["participants"] if p["group_id"] == group["group_id"]]
        for name in ("time_remaining_ms", "phase", "turns_left", "drains_from", "deadline_at", "has_expired"):
            assert [p.get(name) for p in members] == [group.get(name)] * 2
    running, waiting = state["groups"]
    assert (running["phase"], running["turns_left"], running["time_remaining_ms"]) == ("block", 15, 300_000)
    assert running["deadline_at"] == state["deadline_at"]
    assert {"drains_from", "deadline_at", "turns_left"}.isdisjoint(waiting)
