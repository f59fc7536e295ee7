"""The clock that runs, or that will run: set, moved and given what it lacks, in every mode."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.sessions.fastpath.test_fast_path import SLOW
from tests.sessions.rest.played import DAY, MINUTE, MODES, STEPS, TEAM, adjusted, in_mode, play, seats_of
from tests.talk import at, done, ms, refused, seat, wrong_fields


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
@pytest.mark.parametrize("mode", MODES)
def test_the_clock_is_set_in_every_mode(api, mode, status):
    state = in_mode(api, mode, status)
    for left_ms in (90_000, 5_000, DAY):
        after = adjusted(api, state, set_ms=left_ms)
        assert after["time_remaining_ms"] == left_ms
        assert after["status"] == status
        if status == "running":
            assert ms(after["deadline_at"]) == after["server_time_ms"] + left_ms
    assert after["version"] == state["version"] + 3


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("adjust_ms", [5_000, -5_000])
def test_the_clock_is_moved_in_every_mode(api, mode, status, adjust_ms):
    state = in_mode(api, mode, status)
    after = adjusted(api, state, adjust_ms=adjust_ms)
    if status == "running":
        assert ms(after["deadline_at"]) == ms(state["deadline_at"]) + adjust_ms
    else:
        assert after["time_remaining_ms"] == state["time_remaining_ms"] + adjust_ms
    resumed = after if status == "running" else done(api.post(at(state, "start" if status == "pending" else "resume")))
    assert ms(resumed["deadline_at"]) == resumed["server_time_ms"] + resumed["time_remaining_ms"]
    if status != "running":
        assert resumed["time_remaining_ms"] == after["time_remaining_ms"]


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
@pytest.mark.parametrize("mode", MODES)
def test_the_clock_gets_what_it_lacks_and_one_with_more_is_left_alone(api, mode, status):
    state = in_mode(api, mode, status)
    after = adjusted(api, state, at_least_ms=90_000)
    assert (after["time_remaining_ms"], after["version"]) == (90_000, state["version"] + 1)
    enough_ms = 30_000 if status == "running" else 90_000
    again = adjusted(api, state, at_least_ms=enough_ms, reason="a bid")
    assert again["version"] == after["version"]
    assert again["deadline_at"] == after["deadline_at"]
    assert again["time_remaining_ms"] >= enough_ms


@pytest.mark.parametrize(
    "body", [{"adjust_ms": 1}, {"set_ms": 1}, {"at_least_ms": 1}], ids=lambda body: next(iter(body))
)
@pytest.mark.parametrize("status", ["completed", "cancelled", "expired"])
@pytest.mark.parametrize("mode", MODES)
def test_the_clock_of_a_finished_session_cannot_be_adjusted(api, mode, status, body):
    if status == "expired":
        state = play(api, ("start",), sync_mode=mode, action_on_timeout={"type": "end_session"}, **MODES[mode])
        state = adjusted(api, state, set_ms=0)
        assert state["status"] == "expired"
    else:
        state = in_mode(api, mode, status)
    error = refused(api.patch(at(state, "clock"), json=body), 400, "INVALID_STATE_TRANSITION")
    assert status in error["message"]
    assert set(error) == {"code", "message"}
    assert done(api.get(at(state)))["version"] == state["version"]


@pytest.mark.parametrize("field", ["adjust_ms", "set_ms", "at_least_ms"])
@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_where_nothing_drains_there_is_no_clock_to_adjust(api, status, field):
    state = play(api, STEPS[status], sync_mode="count_up")
    error = refused(api.patch(at(state, "clock"), json={field: 5}), 400, "VALIDATION_ERROR")
    assert error["details"] == [{"field": field, "message": "No clock drains in this session."}]


@pytest.mark.parametrize("mode", ["global", "count_up"])
def test_a_clock_without_participants_can_be_adjusted_too(api, mode):
    state = play(api, ("start",), sync_mode=mode, participants=[], **MODES[mode])
    assert adjusted(api, state, set_ms=5_000)["time_remaining_ms"] == 5_000


@pytest.mark.parametrize(("adjust_ms", "left_ms"), [(-DAY, 0), (DAY, DAY), (DAY - MINUTE, DAY)])
def test_a_clock_keeps_within_its_limits(api, adjust_ms, left_ms):
    state = play(api, ())
    after = adjusted(api, state, adjust_ms=adjust_ms)
    assert after["time_remaining_ms"] == left_ms
    assert [p["total_time_ms"] for p in after["participants"]] == [left_ms, MINUTE]


def test_a_clock_that_is_set_to_nothing_expires_at_once(api):
    state = play(api, ("start",), action_on_timeout={"type": "skip_cycle"})
    _, second = seats_of(state)
    after = adjusted(api, state, set_ms=0)
    assert after["participants"][0]["has_expired"]
    assert after["active_participant_id"] == second
    assert after["version"] == state["version"] + 2


def test_a_clock_that_has_expired_runs_again_when_it_gets_time(api):
    state = play(api, ("start",))
    assert adjusted(api, state, set_ms=0)["participants"][0]["has_expired"]
    after = adjusted(api, state, at_least_ms=30_000)
    assert (after["participants"][0]["has_expired"], after["time_remaining_ms"], after["overtime_ms"]) == (
        *(False, 30_000, 0),
    )
    assert ms(after["deadline_at"]) == after["server_time_ms"] + 30_000


def test_only_the_clock_of_the_active_group_is_adjusted_for_all_its_members(api):
    team = str(uuid4())
    seats = [seat(group_id=TEAM), seat(group_id=team), seat(group_id=TEAM)]
    after = adjusted(api, play(api, ("start",), sync_mode="per_group", participants=seats), set_ms=90_000)
    assert {group["group_id"]: group["time_remaining_ms"] for group in after["groups"]} == {TEAM: 90_000, team: MINUTE}
    assert [p["time_remaining_ms"] for p in after["participants"]] == [90_000, MINUTE, 90_000]


def test_the_next_cycle_begins_with_the_whole_time_after_one_was_adjusted(api):
    state = play(api, ("start",), sync_mode="per_cycle", time_per_cycle_ms=MINUTE)
    adjusted(api, state, set_ms=5_000)
    done(api.post(at(state, "switch")))
    after = done(api.post(at(state, "pause")))
    assert after["time_remaining_ms"] == MINUTE - after["participants"][1]["time_used_ms"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["adjust_ms"]),
        ({"reason": "none"}, ["adjust_ms"]),
        ({"adjust_ms": None, "set_ms": None, "at_least_ms": None}, ["adjust_ms"]),
        ({"adjust_ms": 1, "set_ms": 1}, ["adjust_ms"]),
        ({"set_ms": 1, "at_least_ms": 1}, ["adjust_ms"]),
        ({"adjust_ms": 0, "set_ms": 0, "at_least_ms": 0}, ["adjust_ms"]),
        ({"set_ms": -1}, ["set_ms"]),
        ({"at_least_ms": -1}, ["at_least_ms"]),
        ({"set_ms": DAY + 1}, ["set_ms"]),
        ({"adjust_ms": DAY + 1}, ["adjust_ms"]),
        ({"adjust_ms": -DAY - 1}, ["adjust_ms"]),
        ({"adjust_ms": "5"}, ["adjust_ms"]),
        ({"adjust_ms": 1.5, "set_ms": True}, ["adjust_ms", "set_ms"]),
        ({"adjust_ms": 1, "reason": " "}, ["reason"]),
        ({"adjust_ms": 1, "reason": "x" * 501}, ["reason"]),
        ({"adjust_ms": 1, "expected_version": -1}, ["expected_version"]),
        ({"total_time_ms": 1, "adjust_ms": 1}, ["total_time_ms"]),
        ([], ["body"]),
    ],
    ids=str,
)
def test_a_wrong_adjustment_is_refused_at_both_doors(api, body, fields):
    state = play(api, ("start",))
    fast, slow = (api.patch(at(state, "clock"), json=body, headers=door) for door in ({}, SLOW))
    assert wrong_fields(fast) == fields
    assert fast.content == slow.content
    assert done(api.get(at(state)))["version"] == state["version"]


def test_exactly_one_number_is_given_and_the_refusal_says_so(api):
    state = play(api, ("start",))
    for body in ({}, {"set_ms": 1, "adjust_ms": 1}):
        error = refused(api.patch(at(state, "clock"), json=body), 400, "VALIDATION_ERROR")
        message = "Give exactly one of adjust_ms, set_ms and at_least_ms."
        assert error["details"] == [{"field": "adjust_ms", "message": message}]


@pytest.mark.parametrize("door", [{}, SLOW], ids=["fast path", "view"])
def test_many_bids_at_once_leave_the_window_and_count_once(api, other_api, door):
    state = play(api, ("start",))
    adjusted(api, state, set_ms=20_000)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda client: done(client.patch(at(state, "clock"), json={"at_least_ms": 30_000}, headers=door)),
                [api, other_api] * 8,
            )
        )
    assert all(answer["time_remaining_ms"] >= 30_000 for answer in answers)
    last = done(api.get(at(state)))
    assert last["version"] == max(answer["version"] for answer in answers)
    assert ms(last["deadline_at"]) == max(ms(answer["deadline_at"]) for answer in answers)
