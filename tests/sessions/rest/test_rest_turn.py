"""The turn given to a participant: before the start, while it runs, in a pause."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.sessions.fastpath.test_fast_path import SLOW
from tests.sessions.rest.played import MINUTE, MODES, STEPS, in_mode, play, seats_of
from tests.talk import at, done, ms, refused, wrong_fields


@pytest.mark.parametrize("mode", MODES)
def test_the_turn_is_given_in_every_mode(api, mode):
    state = in_mode(api, mode, "running")
    _, second = seats_of(state)
    after = done(api.post(at(state, "turn"), json={"participant_id": second, "reason": "the wrong one began"}))
    assert after["active_participant_id"] == second
    assert ms(after["cycle_started_at"]) == after["server_time_ms"]
    assert after["cycle_number"] == state["cycle_number"]
    assert [p["cycle_count"] for p in after["participants"]] == [0, 0]
    assert after["participants"][0]["time_used_ms"] == after["server_time_ms"] - ms(state["cycle_started_at"])


def test_the_interrupted_turn_earns_nothing_and_its_time_is_gone(api):
    state = play(api, ("start",), increment_ms=5_000)
    after = done(api.post(at(state, "turn"), json={"participant_id": seats_of(state)[1]}))
    used_ms = after["server_time_ms"] - ms(state["cycle_started_at"])
    assert [p["time_remaining_ms"] for p in after["participants"]] == [MINUTE - used_ms, MINUTE]


def test_before_the_start_it_is_who_begins(api):
    state = play(api, ())
    _, second = seats_of(state)
    after = done(api.post(at(state, "turn"), json={"participant_id": second}))
    assert (after["active_participant_id"], after["version"]) == (None, 2)
    assert done(api.post(at(state, "start")))["active_participant_id"] == second


def test_a_paused_session_goes_on_with_whom_the_turn_was_given(api):
    state = play(api, ("start", "pause"))
    _, second = seats_of(state)
    after = done(api.post(at(state, "turn"), json={"participant_id": second}))
    assert (after["active_participant_id"], after["status"], after["deadline_at"]) == (second, "paused", None)
    assert done(api.post(at(state, "resume")))["active_participant_id"] == second


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_who_has_the_turn_keeps_it_and_nothing_changes(api, status):
    state = play(api, STEPS[status])
    after = done(api.post(at(state, "turn"), json={"participant_id": seats_of(state)[0].upper()}))
    assert (after["version"], after["cycle_started_at"]) == (state["version"], state["cycle_started_at"])


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_in_a_finished_session_nobody_gets_the_turn(api, status):
    state = play(api, STEPS[status])
    error = refused(
        api.post(at(state, "turn"), json={"participant_id": seats_of(state)[1]}), 400, "INVALID_STATE_TRANSITION"
    )
    assert status in error["message"]


def test_a_stranger_gets_no_turn(api):
    stranger = str(uuid4())
    answer = api.post(at(play(api, ("start",)), "turn"), json={"participant_id": stranger})
    assert stranger in refused(answer, 404, "PARTICIPANT_NOT_FOUND")["message"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["participant_id"]),
        ({"participant_id": None}, ["participant_id"]),
        ({"participant_id": "x"}, ["participant_id"]),
        ({"participant_id": 1, "reason": "", "x": 1}, ["participant_id", "reason", "x"]),
        ([], ["body"]),
    ],
    ids=str,
)
def test_a_wrong_turn_is_refused(api, body, fields):
    state = play(api, ("start",))
    assert wrong_fields(api.post(at(state, "turn"), json=body)) == fields
    assert wrong_fields(api.post(at(state, "turn"), json=body, headers=SLOW)) == fields


def test_an_empty_body_gives_the_turn_to_nobody(api):
    headers = {"Content-Type": "application/json"}
    assert wrong_fields(api.post(at(play(api, ("start",)), "turn"), headers=headers)) == ["participant_id"]
