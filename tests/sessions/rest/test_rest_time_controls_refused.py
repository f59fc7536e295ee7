"""Time controls that are refused: which field is wrong, and where in a text."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.sessions.rest.controls import WRONG, bare, teams
from tests.talk import at, created, game, refused, seat, wrong_fields


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_control_is_named_and_said_where(api, name):
    given, field, message = WRONG[name]
    error = refused(api.post("/v1/sessions", json=game(time_control=given)), 400, "VALIDATION_ERROR")
    (problem,) = error["details"]
    assert problem["field"] == field
    assert message in problem["message"]


@pytest.mark.parametrize("name", [name for name in WRONG if WRONG[name][0] != "300=60+x"])
def test_a_wrong_control_of_a_participant_or_a_group_is_named_likewise(api, name):
    given, field, message = WRONG[name]
    for owner, body in (
        ("participants", game(participants=[seat(), seat(time_control=given)])),
        ("groups", teams("60", given)),
    ):
        error = refused(api.post("/v1/sessions", json=body), 400, "VALIDATION_ERROR")
        (problem,) = error["details"]
        assert problem["field"] == f"{owner}.1.{field}"
        assert message in problem["message"]


def test_all_that_is_wrong_in_a_control_is_named_at_once(api):
    given = {"type": "byo_yomi", "main_time_ms": -1, "periods": "5", "colour": "red"}
    assert wrong_fields(api.post("/v1/sessions", json=game(time_control=given, surprise=1))) == [
        "surprise",
        *(f"time_control.{name}" for name in ("colour", "main_time_ms", "period_ms", "periods")),
    ]


def test_of_a_control_that_cannot_be_read_nobody_is_told_that_its_time_is_missing(api):
    assert wrong_fields(api.post("/v1/sessions", json=bare(time_control="300+x"))) == ["time_control"]
    assert wrong_fields(api.post("/v1/sessions", json=teams(None, None, time_control="300+x"))) == ["time_control"]


def test_of_participants_that_cannot_be_read_no_sides_are_missing(api):
    for text in ("300=600", "*60"):
        body = game(time_control=text, participants=[seat(), {"participant_id": "x"}])
        assert wrong_fields(api.post("/v1/sessions", json=body)) == ["participants.1.participant_id"]


def test_sides_are_not_for_one_participant(api):
    answer = api.post("/v1/sessions", json=game(participants=[seat(), seat(time_control="300=600")]))
    error = refused(answer, 400, "VALIDATION_ERROR")
    assert error["details"][0]["field"] == "participants.1.time_control"
    assert "Character 4" in error["details"][0]["message"]


@pytest.mark.parametrize("text", ["300", "300+2", "300=600"])
def test_an_increment_is_one_way_to_say_it_and_a_control_the_other(api, text):
    assert wrong_fields(api.post("/v1/sessions", json=game(time_control=text, increment_ms=2_000))) == ["increment_ms"]
    created(api, game(time_control=text, increment_ms=0))


@pytest.mark.parametrize("mode", ["global", "count_up", "per_cycle"])
def test_where_no_participant_has_a_clock_there_is_no_control(api, mode):
    body = game(sync_mode=mode, total_time_ms=60_000)
    body |= {"time_per_cycle_ms": 5_000} if mode == "per_cycle" else {}
    assert wrong_fields(api.post("/v1/sessions", json=body | {"time_control": "300+2"})) == ["time_control"]
    body["participants"][1]["time_control"] = "300+2"
    assert wrong_fields(api.post("/v1/sessions", json=body)) == ["participants.1.time_control"]


def test_a_control_of_a_participant_is_not_for_groups_and_that_of_a_group_not_for_participants(api):
    body = teams("60", "60")
    body["participants"][0]["time_control"] = "60"
    assert wrong_fields(api.post("/v1/sessions", json=body)) == ["participants.0.time_control"]
    body = game(groups=[{"group_id": str(uuid4()), "time_control": "60"}])
    assert wrong_fields(api.post("/v1/sessions", json=body)) == ["groups.0.time_control"]


@pytest.mark.parametrize("seats", [1, 3])
def test_an_hourglass_is_for_two(api, seats):
    assert wrong_fields(api.post("/v1/sessions", json=game(seats, time_control="*60"))) == ["time_control"]


def test_an_hourglass_is_for_both(api):
    body = game(participants=[seat(time_control="*60"), seat()])
    assert wrong_fields(api.post("/v1/sessions", json=body)) == ["time_control"]
    assert wrong_fields(api.post("/v1/sessions", json=game(time_control="*60=60"))) == ["time_control"]
    shown = created(api, game(time_control="*60=*90"))["participants"]
    assert [p["total_time_ms"] for p in shown] == [60_000, 60_000]  # their own time
    shown = created(api, bare(time_control="*60=*90"))["participants"]
    assert [p["total_time_ms"] for p in shown] == [60_000, 90_000]
    state = created(api, bare(time_control="*60"))
    assert wrong_fields(api.post(at(state, "participants"), json=seat())) == ["participant_id"]


@pytest.mark.parametrize("mode", ["global", "count_up", "per_cycle"])
def test_lag_is_compensated_where_participants_have_clocks(api, mode):
    body = game(sync_mode=mode, total_time_ms=60_000, lag_compensation=True)
    body |= {"time_per_cycle_ms": 5_000} if mode == "per_cycle" else {}
    assert wrong_fields(api.post("/v1/sessions", json=body)) == ["lag_compensation"]
    state = created(api, game(lag_compensation=True))
    assert state["lag_compensation"] is True
    assert [p["lag"] for p in state["participants"]] == [{"granted_ms": 0, "uncompensated_ms": 0}] * 2
