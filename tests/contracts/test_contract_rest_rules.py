"""Rules between the fields of bodies: the OpenAPI document accepts what the server accepts."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

from sessions.requests import bodies, reading
from synckairos.errors import ValidationFailed

COMPONENTS: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)["components"]
ONE, TWO = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
TEAM = "eeeeeeee-0000-4000-8000-000000000001"
FISCHER = {"type": "fischer", "main_time_ms": 60_000, "increment_ms": 1_000}
ADJUSTMENTS = [
    {},
    {"adjust_ms": -5},
    {"set_ms": 0},
    {"at_least_ms": 30_000},
    {"adjust_ms": 5, "set_ms": None, "at_least_ms": None},
    {"adjust_ms": None, "at_least_ms": 5},
    {"adjust_ms": None, "set_ms": None},
    {"adjust_ms": 5, "set_ms": 5},
    {"set_ms": 5, "at_least_ms": 5},
    {"adjust_ms": 5, "at_least_ms": 5},
    {"reason": "late"},
]


def creation(mode="per_participant", seats=({}, {}), **more):
    """A creation with seats that have these fields."""
    ids = (ONE, TWO)
    return {"sync_mode": mode, "participants": [{"participant_id": ids[i], **s} for i, s in enumerate(seats)], **more}


WITH_TIME = ({"total_time_ms": 5_000}, {"total_time_ms": 5_000})
MEMBERS = ({"group_id": TEAM}, {"group_id": TEAM})
CREATIONS = {
    "times": creation(seats=WITH_TIME),
    "no times": creation(),
    "one time": creation(seats=({"total_time_ms": 5_000}, {})),
    "a null": creation(seats=({"total_time_ms": None}, {"total_time_ms": 5_000})),
    "a control": creation(time_control=FISCHER),
    "a control in notation": creation(time_control="60+1"),
    "a null control": creation(time_control=None),
    "controls of each": creation(seats=({"time_control": FISCHER}, {"time_control": FISCHER})),
    "a control of one": creation(seats=({"time_control": FISCHER}, {})),
    "a control of one, a time of the other": creation(seats=({"time_control": FISCHER}, {"total_time_ms": 5_000})),
    "groups with times": creation("per_group", MEMBERS, groups=[{"group_id": TEAM, "total_time_ms": 5_000}]),
    "groups without times": creation("per_group", MEMBERS, groups=[{"group_id": TEAM}]),
    "groups with a control": creation("per_group", MEMBERS, groups=[{"group_id": TEAM, "time_control": FISCHER}]),
    "groups of a control": creation("per_group", MEMBERS, groups=[{"group_id": TEAM}], time_control=FISCHER),
    "members without groups": creation("per_group", MEMBERS),
    "members of no groups": creation("per_group", MEMBERS, groups=[]),
    "members with times": creation("per_group", [m | {"total_time_ms": 5_000} for m in MEMBERS]),
    "cycles without": creation("per_cycle", WITH_TIME),
    "cycles": creation("per_cycle", WITH_TIME, time_per_cycle_ms=5_000),
    "cycles of nobody": creation("per_cycle", (), time_per_cycle_ms=5_000),
    "nobody": creation(seats=()),
    "an exam": creation("global", (), total_time_ms=5_000),
    "an exam without": creation("global", ()),
    "a stopwatch": creation("count_up", ()),
    "a stopwatch with people without time": creation("count_up"),
    "a surprise in a control": creation(time_control=FISCHER | {"surprise": 1}),
    "a control of no type": creation(time_control={"main_time_ms": 60_000}),
    "a control of a wrong type": creation(time_control={"type": "sundial"}),
    "a control without its field": creation(time_control={"type": "fischer", "main_time_ms": 60_000}),
    "stages in stages": creation(
        time_control={"type": "stages", "stages": [{"time_ms": 1, "control": {"type": "stages", "stages": []}}]}
    ),
    "a stage with a surprise": creation(time_control={"type": "stages", "stages": [{"time_ms": 1, "surprise": 1}]}),
    "stages": creation(time_control={"type": "stages", "stages": [{"time_ms": 1, "turns": 2}, {"time_ms": 1}]}),
}


def fits(name, body):
    """Return true for a body that the document accepts."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}
    return jsonschema.Draft202012Validator(schema).is_valid(body)


def is_taken(kind, body):
    """Return true for a body that the server accepts."""
    try:
        reading.read(body, kind)
    except ValidationFailed:
        return False
    return True


@pytest.mark.parametrize("case", CREATIONS)
def test_a_creation_fits_the_document_exactly_when_it_is_taken(case):
    body = CREATIONS[case]
    assert fits("CreateSessionRequest", body) == is_taken(bodies.CreateSessionRequest, body)


@pytest.mark.parametrize("body", ADJUSTMENTS, ids=str)
def test_an_adjustment_of_the_clock_has_exactly_one_of_three_numbers(body):
    given = [name for name in ("adjust_ms", "set_ms", "at_least_ms") if body.get(name) is not None]
    assert fits("AdjustClockRequest", body) == (len(given) == 1)


def test_both_kinds_of_bodies_are_among_these():
    assert {is_taken(bodies.CreateSessionRequest, body) for body in CREATIONS.values()} == {True, False}
