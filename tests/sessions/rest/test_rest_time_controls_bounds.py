"""Bounds of time controls: turns are no shorter than cycles may be, and stages are few."""

import pytest

from tests.talk import game, seat

SHORT = {"type": "per_turn", "time_ms": 999}
STAGED = {"type": "stages", "stages": [{"time_ms": 60_000, "control": SHORT}]}


def refused(api, body):
    answer = api.post("/v1/sessions", json=body)
    assert answer.status_code == 400, answer.text
    return [problem["field"] for problem in answer.json()["error"]["details"]]


@pytest.mark.parametrize(
    ("control", "field"),
    [
        (SHORT, "time_control.time_ms"),
        ("0.999 per turn", "time_control.time_ms"),
        (STAGED, "time_control.stages.0.control.time_ms"),
    ],
    ids=["an object", "notation", "a stage"],
)
def test_a_turn_has_a_second_at_least(api, control, field):
    assert refused(api, game(time_control=control)) == [field]
    own = [seat(), seat(time_control=control)]
    assert refused(api, game(participants=own)) == [f"participants.1.{field}"]
    created = api.post("/v1/sessions", json=game(time_control={"type": "per_turn", "time_ms": 1_000})).json()["data"]
    late = seat(time_control=control)
    answer = api.post(f"/v1/sessions/{created['session_id']}/participants", json=late)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["error"]["details"]] == [field]


def test_the_stages_of_all_participants_together_are_bounded(api):
    eight = ":".join(["9/9"] * 8)
    assert api.post("/v1/sessions", json=game(participants=[seat(time_control=eight) for _ in range(25)])).is_success
    assert refused(api, game(participants=[seat(time_control=eight) for _ in range(26)])) == ["participants"]
