"""Time controls at the door: objects and notation, sides and own controls, what is refused, what the state shows.

Clocks are adjusted here instead of waited for; what a control does is tested in tests/synckairos/engine.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.talk import at, created, done, game, ms, refused, seat, wrong_fields

CONTROLS: dict[str, tuple[dict[str, Any], str]] = {
    "sudden death": ({"type": "sudden_death", "main_time_ms": 300_000}, "300"),
    "fischer": ({"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_000}, "300+2"),
    "fischer with a cap": (
        {"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_500, "cap_ms": 600_000},
        "300+2.5 cap 600",
    ),
    "fischer from the first move": (
        {"type": "fischer", "main_time_ms": 300_000, "increment_ms": 2_000, "increment_before_first_turn": True},
        "300+2 first",
    ),
    "bronstein": ({"type": "bronstein", "main_time_ms": 300_000, "delay_ms": 5_000}, "300B5"),
    "delay": ({"type": "delay", "main_time_ms": 300_000, "delay_ms": 5_000}, "300+5d"),
    "time bank": ({"type": "time_bank", "main_time_ms": 60_000, "allowance_ms": 15_000}, "60 allowance 15"),
    "per turn": ({"type": "per_turn", "time_ms": 30_000}, "30 per turn"),
    "byo-yomi": (
        {"type": "byo_yomi", "main_time_ms": 600_000, "periods": 5, "period_ms": 30_000},
        "600 5x30 byo-yomi",
    ),
    "canadian": (
        {"type": "canadian", "main_time_ms": 600_000, "turns": 15, "period_ms": 300_000},
        "600 15/300 Canadian",
    ),
    "hourglass": ({"type": "hourglass", "main_time_ms": 180_000}, "*180"),
    "overtime": (
        {
            "type": "overtime",
            "main_time_ms": 1_500_000,
            "max_overtime_ms": 600_000,
            "points_per_period": 5,
            "penalty_period_ms": 30_000,
        },
        "1500 overtime 600 -5/30",
    ),
    "stages": (
        {
            "type": "stages",
            "stages": [
                {"time_ms": 5_400_000, "turns": 40, "control": {"type": "fischer", "increment_ms": 30_000}},
                {"time_ms": 1_800_000, "control": {"type": "fischer", "increment_ms": 30_000}},
            ],
        },
        "40/5400+30:1800+30",
    ),
}
FIRST_BANK_MS = {
    "fischer from the first move": 302_000,
    "time bank": 15_000,
    "per turn": 30_000,
    "byo-yomi": 600_000,
    "canadian": 600_000,
    "hourglass": 180_000,
    "overtime": 1_500_000,
    "stages": 5_400_000,
}


def bare(seats: int = 2, **changes: Any) -> dict[str, Any]:
    """A creation body whose participants have no time of their own."""
    return {
        "sync_mode": "per_participant",
        "participants": [{"participant_id": str(uuid4()), "participant_index": n} for n in range(seats)],
    } | changes


def includes(shown: Any, given: Any) -> bool:
    """Return whether what is shown has all that was given; it may have defaults besides."""
    if isinstance(given, dict):
        return all(name in shown and includes(shown[name], value) for name, value in given.items())
    if isinstance(given, list):
        return len(given) == len(shown) and all(map(includes, shown, given))
    return shown == given


def set_clock(api, state, left_ms):
    """The state after the running clock was set to this."""
    return done(api.patch(at(state, "clock"), json={"set_ms": left_ms}))


def started(api, body):
    """A running session."""
    return done(api.post(at(created(api, body), "start")))


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


# ── sides ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── own controls ──────────────────────────────────────────────────────────────────────────────────────────────────


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


TEAMS = [str(uuid4()) for _ in range(2)]


def teams(*controls: Any, **changes: Any) -> dict[str, Any]:
    """A creation body of two teams of two, whose groups have these controls."""
    body = bare(4, sync_mode="per_group", **changes)
    for place, participant in enumerate(body["participants"]):
        participant["group_id"] = TEAMS[place % 2]
    body["groups"] = [
        {"group_id": team} | ({} if control is None else {"time_control": control})
        for team, control in zip(TEAMS, controls, strict=True)
    ]
    return body


def test_a_group_may_have_a_control_of_its_own(api):
    state = created(api, teams(None, "60 3x10 byo-yomi", time_control="600+5"))
    first, second = state["groups"]
    assert "time_control" not in first
    assert second["time_control"]["type"] == "byo_yomi"
    assert [group["time_remaining_ms"] for group in (first, second)] == [600_000, 60_000]
    assert [group["phase"] for group in (first, second)] == ["main"] * 2
    assert [p["time_remaining_ms"] for p in state["participants"]] == [600_000, 60_000] * 2


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


# ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────────

BYO_YOMI = {"type": "byo_yomi", "periods": 5, "period_ms": 30_000}
WRONG: dict[str, tuple[Any, str, str]] = {
    "a number": (300, "time_control", "object, or a text"),
    "a list": (["300"], "time_control", "object, or a text"),
    "an empty object": ({}, "time_control.type", "required"),
    "an unknown type": ({"type": "chess"}, "time_control.type", '"chess" is not a valid choice'),
    "a type that is no text": ({"type": 5}, "time_control.type", "not a valid choice"),
    "a type that is null": ({"type": None}, "time_control.type", "not a valid choice"),
    "a missing field": ({"type": "fischer"}, "time_control.increment_ms", "required"),
    "an unknown field": (BYO_YOMI | {"colour": "red"}, "time_control.colour", "Unknown field"),
    "a field of another control": (BYO_YOMI | {"delay_ms": 5_000}, "time_control.delay_ms", "Unknown field"),
    "null": (BYO_YOMI | {"periods": None}, "time_control.periods", "may not be null"),
    "a text for a number": (BYO_YOMI | {"periods": "5"}, "time_control.periods", "integer"),
    "a truth for a number": (BYO_YOMI | {"periods": True}, "time_control.periods", "integer"),
    "a broken number": (BYO_YOMI | {"period_ms": 1.5}, "time_control.period_ms", "integer"),
    "too few": (BYO_YOMI | {"periods": 0}, "time_control.periods", "greater than or equal to 1"),
    "too many": (BYO_YOMI | {"periods": 1_001}, "time_control.periods", "less than or equal to 1000"),
    "too long": (BYO_YOMI | {"main_time_ms": 86_400_001}, "time_control.main_time_ms", "less than or equal to 864"),
    "too long a bonus": ({"type": "delay", "delay_ms": 3_600_001}, "time_control.delay_ms", "less than or equal to 36"),
    "no stages": ({"type": "stages", "stages": []}, "time_control.stages", "at least 1"),
    "too many stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "turns": 1}] * 9},
        "time_control.stages",
        "no more than 8",
    ),
    "a stage that is none": ({"type": "stages", "stages": [5]}, "time_control.stages.0", "JSON object"),
    "a stage without time": ({"type": "stages", "stages": [{"turns": 1}]}, "time_control.stages.0.time_ms", "required"),
    "a wrong control of a stage": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "control": {"type": "fischer"}}]},
        "time_control.stages.0.control.increment_ms",
        "required",
    ),
    "stages in stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "control": {"type": "stages", "stages": []}}]},
        "time_control.stages.0.control.type",
        "not a valid choice",
    ),
    "a stage without its end": (
        {"type": "stages", "stages": [{"time_ms": 1_000}, {"time_ms": 1_000}]},
        "time_control.stages.0.turns",
        "Required",
    ),
    "phases within stages": (
        {"type": "stages", "stages": [{"time_ms": 1_000, "turns": 5, "control": BYO_YOMI}]},
        "time_control.stages.0.control",
        "Only the last stage",
    ),
    "an empty text": ("", "time_control", "Character 1"),
    "no notation": ("300+", "time_control", "Character 5: expected a number of seconds"),
    "too much": ("300+2 and more", "time_control", "Character 7"),
    "an increment too long": ("300+3601", "time_control", "Character 5: expected a number of seconds from 0.001 to"),
    "a wrong side": ("300=60+x", "time_control", "Character 8"),
    "no time control": ("-", "time_control", "leave time_control out"),
    "a long text": ("1" * 1_001, "time_control", "at most 1000 characters"),
}


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


# ── what the state shows ──────────────────────────────────────────────────────────────────────────────────────────


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
