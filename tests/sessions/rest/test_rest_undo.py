"""The last switch taken back: the turn returns, and the time since is the returned one's."""

from __future__ import annotations

import pytest

from sessions.services import sessions as service
from synckairos.auth.principal import SYSTEM
from synckairos.engine import commands as cmd
from synckairos.engine.notation import parse
from synckairos.errors import Conflict
from tests.clocked import Clock
from tests.sessions.rest.played import MINUTE, MODES, STEPS, adjusted, in_mode, play, seats_of
from tests.talk import at, done, ms, refused, seat, wrong_fields


def nothing_to_undo(answer):
    """A refusal because the last thing that happened is no switch."""
    assert "undo" in refused(answer, 409, "CONFLICT")["message"]


@pytest.mark.parametrize("options", [{}, {"increment_ms": 5_000}, {"time_control": "60 3x10 byo-yomi"}], ids=str)
def test_the_turn_returns_and_the_time_since_is_the_returned_ones(api, options):
    state = play(api, ("start",), **options)
    switched = done(api.post(at(state, "switch")))
    after = done(api.post(at(state, "undo")))
    first, second = after["participants"]
    assert after["active_participant_id"] == state["active_participant_id"]
    assert (after["cycle_started_at"], after["deadline_at"]) == (state["cycle_started_at"], state["deadline_at"])
    assert after["cycle_number"] == state["cycle_number"]
    assert after["version"] == switched["version"] + 1
    used_ms = after["server_time_ms"] - ms(state["cycle_started_at"])
    assert [p["time_used_ms"] for p in (first, second)] == [used_ms, 0]
    assert [p["time_remaining_ms"] for p in (first, second)] == [MINUTE - used_ms, MINUTE]
    assert [p["cycle_count"] for p in (first, second)] == [0, 0]


@pytest.mark.parametrize("mode", MODES)
def test_a_switch_is_taken_back_in_every_mode(api, mode):
    state = in_mode(api, mode, "running")
    done(api.post(at(state, "switch")))
    after = done(api.post(at(state, "undo"), json={"reason": "a slip"}))
    kept = (
        "active_participant_id",
        "active_group_id",
        "deadline_at",
        "drains_from",
        "cycle_started_at",
        "cycle_number",
    )
    assert {name: after[name] for name in kept} == {name: state[name] for name in kept}
    assert after["elapsed_ms"] == after["server_time_ms"] - ms(state["session_started_at"])


def test_a_switch_is_taken_back_once(api):
    state = play(api, ("start", "switch"))
    done(api.post(at(state, "undo")))
    nothing_to_undo(api.post(at(state, "undo")))
    done(api.post(at(state, "switch")))
    done(api.post(at(state, "undo")))


def test_a_switch_after_one_that_was_taken_back_ends_the_same_turn(api):
    state = play(api, ("start", "switch"), increment_ms=5_000)
    done(api.post(at(state, "undo")))
    after = done(api.post(at(state, "switch")))
    assert after["participants"][0]["cycle_count"] == 1
    used_ms = after["server_time_ms"] - ms(state["session_started_at"])
    assert after["participants"][0]["time_remaining_ms"] == MINUTE - used_ms + 5_000


BETWEEN = {
    "a start": (("start",), None),
    "a pause and its end": (("start", "switch", "pause", "resume"), None),
    "an adjustment of the clock": (("start", "switch"), ("PATCH", "clock", {"adjust_ms": 1})),
    "an adjustment of a bank": (("start", "switch"), ("PATCH", "participants/{}", {"adjust_ms": 1})),
    "a newcomer": (("start", "switch"), ("POST", "participants", seat())),
    "a seat given": (("start", "switch"), ("PATCH", "participants/{}", {"user_id": "carol"})),
    "a turn given": (("start", "switch"), ("POST", "turn", {"participant_id": "{}"})),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_after_anything_else_there_is_nothing_to_undo(api, between):
    steps, other = BETWEEN[between]
    state = play(api, steps)
    if other is not None:
        method, part, body = other
        first = state["participants"][0]["participant_id"]
        body = {name: first if value == "{}" else value for name, value in body.items()}
        done(api.request(method, at(state, part.format(first)), json=body))
    before = done(api.get(at(state)))
    nothing_to_undo(api.post(at(state, "undo")))
    after = done(api.get(at(state)))
    assert (after["version"], after["active_participant_id"]) == (before["version"], before["active_participant_id"])


def test_what_changes_nothing_does_not_come_between(api):
    state = play(api, ("start", "switch"))
    assert adjusted(api, state, at_least_ms=1)["version"] == state["version"]
    active = {"participant_id": state["active_participant_id"]}
    assert done(api.post(at(state, "turn"), json=active))["version"] == state["version"]
    refused(api.post(at(state, "resume")), 400, "INVALID_STATE_TRANSITION")
    assert done(api.post(at(state, "undo")))["active_participant_id"] == seats_of(state)[0]


@pytest.mark.parametrize("status", ["pending", "paused", "completed", "cancelled"])
def test_only_in_a_running_session_is_a_switch_taken_back(api, status):
    steps = {"paused": ("start", "switch", "pause"), "completed": ("start", "switch", "complete")}.get(status)
    state = play(api, steps or STEPS[status])
    error = refused(api.post(at(state, "undo")), 400, "INVALID_STATE_TRANSITION")
    assert status in error["message"]


@pytest.mark.parametrize(
    ("body", "fields"), [({"reason": ""}, ["reason"]), ({"version": 1}, ["version"]), ([], ["body"])], ids=str
)
def test_a_wrong_undo_is_refused(api, body, fields):
    assert wrong_fields(api.post(at(play(api, ("start", "switch")), "undo"), json=body)) == fields


@pytest.mark.parametrize(
    "options",
    [{"time_control": parse("60 3x10 byo-yomi")}, {"action_on_timeout": {"type": "skip_cycle"}}, {}],
    ids=["a phase", "a turn that the clock has ended", "an expiry"],
)
def test_after_a_deadline_there_is_nothing_to_undo(options):
    for late_ms in (-1, 0):
        clock = Clock()
        session_id = clock.start(**options)
        clock.do(session_id, cmd.Switch())
        clock.now_ms += MINUTE + late_ms
        if late_ms < 0:
            assert clock.do(session_id, cmd.UndoSwitch()).state.active == 0
        else:
            with pytest.raises(Conflict):
                clock.do(session_id, cmd.UndoSwitch())


def test_the_time_since_may_cost_the_returned_one_its_clock():
    clock = Clock()
    session_id = clock.start(action_on_timeout={"type": "end_session"})
    clock.now_ms += 40_000
    clock.do(session_id, cmd.Switch())
    clock.now_ms += 40_000
    state = clock.do(session_id, cmd.UndoSwitch()).state
    assert (state.status, state.completed_ms) == ("expired", clock.now_ms)
    assert [p.has_expired for p in state.participants] == [True, False]
    assert [p.time_used_ms for p in state.participants] == [80_000, 0]


def test_a_warning_does_not_come_between():
    clock = Clock()
    session_id = clock.start(warning_thresholds_ms=(50_000,))
    clock.do(session_id, cmd.Switch())
    clock.now_ms += 20_000
    warned = clock.run(service.get(session_id, SYSTEM)).state
    assert warned.cycle.warnings_done == 1
    after = clock.do(session_id, cmd.UndoSwitch()).state
    assert after.active == 0
