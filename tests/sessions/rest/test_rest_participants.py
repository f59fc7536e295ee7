"""Participants who come later, and moderators who give or take time."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.talk import at, created, done, game, refused, seat, wrong_fields


def test_a_newcomer_takes_the_next_index(api):
    state = created(api)
    newcomer = seat(user_id="u-7", total_time_ms=5_000)
    after = done(api.post(at(state, "participants"), json=newcomer))
    assert after["participants"][2] == {
        "participant_id": newcomer["participant_id"],
        "participant_index": 2,
        "total_time_ms": 5_000,
        "time_used_ms": 0,
        "time_remaining_ms": 5_000,
        "cycle_count": 0,
        "is_active": False,
        "has_expired": False,
        "user_id": "u-7",
    }


def test_a_newcomer_may_name_its_place(api):
    state = created(api, game(participants=[seat(participant_index=1), seat(participant_index=5)]))
    after = done(api.post(at(state, "participants"), json=seat(participant_index=3)))
    assert [p["participant_index"] for p in after["participants"]] == [1, 3, 5]


def test_a_taken_place_or_name_is_refused(api):
    state = created(api)
    known = state["participants"][0]["participant_id"]
    answer = api.post(at(state, "participants"), json=seat(participant_id=known, participant_index=1))
    assert wrong_fields(answer) == ["participant_id", "participant_index"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"participant_id": "x"}, "participant_id"),
        ({"participant_id": None}, "participant_id"),
        ({"total_time_ms": 999}, "total_time_ms"),
        ({"total_time_ms": 86_400_001}, "total_time_ms"),
        ({"total_time_ms": None}, "total_time_ms"),
        ({"participant_index": -1}, "participant_index"),
        ({"participant_index": 0.5}, "participant_index"),
        ({"group_id": "red"}, "group_id"),
        ({"user_id": 7}, "user_id"),
        ({"user_id": "x" * 513}, "user_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_newcomer_is_refused(api, changes, field):
    assert wrong_fields(api.post(at(created(api), "participants"), json=seat(**changes))) == [field]


@pytest.fixture
def staffed(api, staff_api):
    """A running session of ours and the address of its active participant."""
    state = done(api.post(at(created(api), "start")))
    return state, at(state, "participants", state["active_participant_id"])


def test_a_moderator_sets_a_bank(staffed, staff_api):
    state, address = staffed
    after = done(staff_api.patch(address, json={"total_time_ms": 90_000, "reason": "late start"}))
    assert after["participants"][0]["time_remaining_ms"] == 90_000
    assert after["version"] == state["version"] + 1


@pytest.mark.parametrize("adjust_ms", [5_000, -5_000, -86_400_000, 86_400_000])
def test_a_moderator_moves_a_bank_within_limits(api, staff_api, adjust_ms):
    state = created(api)
    address = at(state, "participants", state["participants"][1]["participant_id"])
    after = done(staff_api.patch(address, json={"adjust_ms": adjust_ms}))
    assert after["participants"][1]["total_time_ms"] == min(max(0, 60_000 + adjust_ms), 86_400_000)


def test_the_owner_may_too_and_nobody_else(staffed, api, bob_api):
    state, address = staffed
    refused(bob_api.patch(address, json={"adjust_ms": 1}), 404, "SESSION_NOT_FOUND")
    public = created(api, game(visibility="public"))
    seat_of_it = at(public, "participants", public["participants"][0]["participant_id"])
    refused(bob_api.patch(seat_of_it, json={"adjust_ms": 1}), 403, "FORBIDDEN")
    assert done(api.patch(seat_of_it, json={"adjust_ms": 1, "reason": "late"}))["version"] == 2
    assert done(api.get(at(state)))["version"] == state["version"]


def test_a_stranger_has_no_bank(staffed, staff_api):
    state, _ = staffed
    stranger = str(uuid4())
    answer = staff_api.patch(at(state, "participants", stranger), json={"adjust_ms": 1})
    assert stranger in refused(answer, 404, "PARTICIPANT_NOT_FOUND")["message"]


def test_a_session_that_does_not_exist_has_no_banks(staff_api):
    address = f"/v1/sessions/{uuid4()}/participants/{uuid4()}"
    refused(staff_api.patch(address, json={"adjust_ms": 1}), 404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "total_time_ms"),
        ({"reason": "none"}, "total_time_ms"),
        ({"total_time_ms": None, "adjust_ms": None}, "total_time_ms"),
        ({"total_time_ms": 1, "adjust_ms": 1}, "total_time_ms"),
        ({"total_time_ms": -1}, "total_time_ms"),
        ({"total_time_ms": "x"}, "total_time_ms"),
        ({"adjust_ms": 86_400_001}, "adjust_ms"),
        ({"adjust_ms": 1, "reason": "x" * 501}, "reason"),
        ({"adjust_ms": 1, "more": 1}, "more"),
        ([], "body"),
    ],
)
def test_a_wrong_adjustment_is_refused(staffed, staff_api, body, field):
    assert wrong_fields(staff_api.patch(staffed[1], json=body)) == [field]


def test_where_nobody_owns_time_there_is_nothing_to_adjust(api, staff_api):
    state = created(api, game(sync_mode="per_cycle", time_per_cycle_ms=1_000))
    address = at(state, "participants", state["participants"][0]["participant_id"])
    assert wrong_fields(staff_api.patch(address, json={"adjust_ms": 1})) == ["adjust_ms"]


def test_an_address_names_a_participant_by_uuid(staffed, staff_api):
    state, _ = staffed
    assert wrong_fields(staff_api.patch(at(state, "participants", "x"), json={"adjust_ms": 1})) == ["participant_id"]
