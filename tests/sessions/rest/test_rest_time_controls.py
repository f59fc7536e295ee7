"""Time controls at the door: objects and notation, sides, own controls of participants and groups."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.sessions.rest.controls import CONTROLS, FIRST_BANK_MS, bare, teams
from tests.talk import at, created, done, game, refused, seat, wrong_fields


def includes(shown: Any, given: Any) -> bool:
    """Return whether what is shown has all that was given; it may have defaults besides."""
    if isinstance(given, dict):
        return all(name in shown and includes(shown[name], value) for name, value in given.items())
    if isinstance(given, list):
        return len(given) == len(shown) and all(map(includes, shown, given))
    return shown == given


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_given_as_an_object_or_in_notation(api, name):
    given, text = CONTROLS[name]
    by_object, by_text = (created(api, bare(time_control=form)) for form in (given, text))
    assert includes(by_object["time_control"], given)
    assert by_object["time_control"] == by_text["time_control"]
    for state in (by_object, by_text):
        first_ms = FIRST_BANK_MS.get(name, 300_000)
        assert [p["total_time_ms"] for p in state["participants"]] == [first_ms] * 2
        assert [p["time_remaining_ms"] for p in state["participants"]] == [first_ms] * 2
        assert all("time_control" not in p for p in state["participants"])  # it is that of the session
        again = created(api, bare(time_control=state["time_control"]))  # what is shown can be given again
        assert again["time_control"] == state["time_control"]


def test_without_a_control_nothing_of_one_is_shown(api):
    state = created(api, game(increment_ms=2_000))
    assert (state["time_control"], state["lag_compensation"], state["increment_ms"]) == (None, False, 2_000)
    beyond = {"phase", "stage", "turns_left", "periods_left", "reserve_ms", "penalty_points", "time_control", "lag"}
    assert all(beyond.isdisjoint(p) for p in state["participants"])


def test_a_participants_own_time_comes_before_that_of_the_control(api):
    body = bare(time_control="600 5x30 byo-yomi")
    body["participants"][1]["total_time_ms"] = 60_000
    state = created(api, body)
    assert [p["total_time_ms"] for p in state["participants"]] == [600_000, 60_000]
    assert state["total_time_ms"] == 660_000


@pytest.mark.parametrize(("text", "kept"), [("300+2", True), ("SD", False), ("+2", False), ("5x30 byo-yomi", False)])
def test_who_has_no_time_at_all_is_named(api, text, kept):
    answer = api.post("/v1/sessions", json=bare(time_control=text))
    if kept:
        assert answer.status_code == 201
    else:
        error = refused(answer, 400, "VALIDATION_ERROR")
        assert error["details"] == [
            {"field": f"participants.{n}.total_time_ms", "message": "This field is required."} for n in range(2)
        ]
        assert api.post("/v1/sessions", json=game(time_control=text)).status_code == 201


def test_sides_are_given_by_index(api):
    body = bare(3, time_control="300=600 5x30 byo-yomi=60+1")
    for participant, index in zip(body["participants"], (9, 2, 5), strict=True):
        participant["participant_index"] = index
    state = created(api, body)
    assert state["time_control"] is None
    assert [p["participant_index"] for p in state["participants"]] == [2, 5, 9]
    assert [p["participant_id"] for p in state["participants"]] == [
        body["participants"][place]["participant_id"] for place in (1, 2, 0)
    ]
    assert [p["total_time_ms"] for p in state["participants"]] == [300_000, 600_000, 60_000]
    assert [p["time_control"]["type"] for p in state["participants"]] == ["sudden_death", "byo_yomi", "fischer"]
    assert [p["phase"] for p in state["participants"]] == ["main"] * 3


def test_without_indexes_sides_are_in_the_order_of_the_list(api):
    body = bare(time_control="300=600")
    for participant in body["participants"]:
        del participant["participant_index"]
    state = created(api, body)
    assert {p["participant_id"]: p["total_time_ms"] for p in state["participants"]} == {
        body["participants"][0]["participant_id"]: 300_000,
        body["participants"][1]["participant_id"]: 600_000,
    }


def test_an_own_control_comes_before_that_of_the_side(api):
    body = bare(time_control="300=600")
    body["participants"][1]["time_control"] = "60+1"
    assert [p["total_time_ms"] for p in created(api, body)["participants"]] == [300_000, 60_000]


@pytest.mark.parametrize(("text", "seats"), [("300=600", 1), ("300=600", 3), ("1=2=3", 2)])
def test_a_wrong_number_of_sides_says_how_many_there_are(api, text, seats):
    answer = api.post("/v1/sessions", json=game(seats, time_control=text))
    error = refused(answer, 400, "VALIDATION_ERROR")
    sides = text.count("=") + 1
    assert error["details"] == [
        {"field": "time_control", "message": f"{sides} time controls for {seats} participants."}
    ]


def test_sides_are_for_clocks_of_participants(api):
    team = str(uuid4())
    seats = [seat(group_id=team), seat(group_id=team)]
    for mode, more in (("per_group", {"participants": seats}), ("global", {"total_time_ms": 60_000})):
        answer = api.post("/v1/sessions", json=game(sync_mode=mode, time_control="300=600", **more))
        error = refused(answer, 400, "VALIDATION_ERROR")
        (problem,) = error["details"]
        assert problem["field"] == "time_control"
        assert "per_participant" in problem["message"]


@pytest.mark.parametrize("name", [name for name in CONTROLS if name != "hourglass"])
def test_a_participant_may_have_a_control_of_its_own(api, name):
    given, text = CONTROLS[name]
    body = bare(time_control="60+1")
    for participant, form in zip(body["participants"], (given, text), strict=True):
        participant["time_control"] = form
    first, second = created(api, body)["participants"]
    assert includes(first["time_control"], given)
    assert first["time_control"] == second["time_control"]
    assert first["total_time_ms"] == FIRST_BANK_MS.get(name, 300_000)


def test_a_newcomer_may_have_a_control_of_its_own_or_the_time_of_that_of_the_session(api):
    state = created(api, bare(time_control="600 5x30 byo-yomi"))
    own = {"participant_id": str(uuid4()), "time_control": "60+1"}
    done(api.post(at(state, "participants"), json=own))
    common = {"participant_id": str(uuid4())}
    shown = done(api.post(at(state, "participants"), json=common))["participants"]
    assert [p["total_time_ms"] for p in shown] == [600_000, 600_000, 60_000, 600_000]
    assert shown[2]["time_control"]["type"] == "fischer"
    assert [p["phase"] for p in shown] == ["main"] * 4
    answer = api.post(at(created(api), "participants"), json={"participant_id": str(uuid4())})
    assert wrong_fields(answer) == ["total_time_ms"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"time_control": {"type": "byo_yomi", "periods": 5}}, ["time_control.period_ms"]),
        ({"time_control": "60+x"}, ["time_control"]),
        ({"time_control": "60=60"}, ["time_control"]),
        ({"time_control": "*"}, ["participant_id", "total_time_ms"]),
    ],
    ids=["incomplete", "no notation", "sides", "an hourglass"],
)
def test_a_newcomers_control_is_checked_likewise(api, body, fields):
    answer = api.post(at(created(api), "participants"), json={"participant_id": str(uuid4())} | body)
    assert wrong_fields(answer) == fields


def test_a_group_may_have_a_control_of_its_own(api):
    state = created(api, teams(None, "60 3x10 byo-yomi", time_control="600+5"))
    first, second = state["groups"]
    assert "time_control" not in first
    assert second["time_control"]["type"] == "byo_yomi"
    assert [group["time_remaining_ms"] for group in (first, second)] == [600_000, 60_000]
    assert [group["phase"] for group in (first, second)] == ["main"] * 2
    assert [p["time_remaining_ms"] for p in state["participants"]] == [600_000, 60_000] * 2
