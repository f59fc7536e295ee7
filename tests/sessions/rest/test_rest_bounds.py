"""What one body may cost: lengths are judged before items, and an answer names a bounded number of problems."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from sessions.requests import reading
from sessions.requests.bodies import CreateSessionRequest, ReadSessionsRequest
from synckairos.errors import MAX_DETAILS, ValidationFailed
from tests.talk import game, seat, wrong_fields

FILLING = 8_000
"""Items of a list that is too long in a body that is not."""


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/sessions", game() | {"participants": [{}] * FILLING}, "participants"),
        ("/v1/sessions", game() | {"groups": [{}] * FILLING}, "groups"),
        ("/v1/sessions", game() | {"warning_thresholds_ms": [0] * FILLING}, "warning_thresholds_ms"),
        ("/v1/sessions", game() | {"permissions": [0] * FILLING}, "permissions"),
        ("/v1/sessions/batch", {"session_ids": [0] * FILLING}, "session_ids"),
    ],
)
def test_a_list_that_is_too_long_is_named_as_a_whole_and_none_of_its_items(api, path, body, field):
    assert wrong_fields(api.post(path, json=body)) == [field]


def _checked(monkeypatch, function: str, kind: type, data: dict[str, Any]) -> int:
    """Return how often a function of the slow path was called until a body was refused."""
    calls = []
    original = getattr(reading, function)
    with monkeypatch.context() as patched:
        patched.setattr(reading, function, lambda *args: calls.append(args) or original(*args))
        with pytest.raises(ValidationFailed):
            reading.read(data, kind)
    return len(calls)


def test_no_item_of_a_list_that_is_too_long_is_looked_at(monkeypatch):
    whole = 1
    for number, looked_at in ((1_000, 1_000), (1_001, 0)):
        data = {"sync_mode": "global", "participants": [{}] * number}
        assert _checked(monkeypatch, "_struct", CreateSessionRequest, data) == whole + looked_at
    assert _checked(monkeypatch, "_value", ReadSessionsRequest, {"session_ids": [""] * 51}) == whole


def test_of_many_wrong_values_an_answer_names_a_hundred_and_counts_the_rest(api):
    answer = api.post(
        "/v1/sessions", json={"sync_mode": "global", "total_time_ms": 60_000, "participants": [{}] * 1_000}
    )
    details = answer.json()["error"]["details"]
    assert len(details) == MAX_DETAILS == 100
    assert details[-1] == {"field": "body", "message": "901 more problems are not listed."}


def test_many_unknown_fields_are_counted_likewise(api):
    many = {f"field_{number}": 0 for number in range(5_000)}
    details = api.post("/v1/sessions", json=game() | many).json()["error"]["details"]
    assert len(details) == MAX_DETAILS
    assert details[-1]["message"] == "4901 more problems are not listed."


def worded(data: dict[str, Any]) -> int:
    """Return how many errors were kept in words when a body was refused."""
    report = reading._Report()
    reading._struct(reading._type_of(CreateSessionRequest), data, "", report)
    return len(report.problems)


def test_unknown_fields_beyond_a_hundred_are_counted_and_not_put_into_words(api):
    fields = {f"f{number}": 0 for number in range(20)}
    for few, many in (
        ({f"f{number}": 0 for number in range(200)}, {f"f{number}": 0 for number in range(20_000)}),
        ({"participants": [fields]}, {"participants": [fields] * 900}),
    ):
        assert worded(few) <= worded(many) == MAX_DETAILS
    answer = api.post("/v1/sessions", json=game() | {"participants": [seat() | fields] * 600})
    details = answer.json()["error"]["details"]
    assert len(details) == MAX_DETAILS
    assert details[0] == {"field": "participants.0.f0", "message": "Unknown field."}
    assert details[-1]["message"] == f"{600 * 20 - 99} more problems are not listed."


def test_an_unknown_field_of_whatever_name_is_named(api):
    for name in ("", "-1", "body"):
        assert wrong_fields(api.post("/v1/sessions", json=game() | {name: 1})) == [name or "body"]


def test_up_to_a_hundred_problems_are_all_named():
    problems = [(f"field_{number}", "wrong") for number in range(100)]
    assert len(ValidationFailed(problems).body()["details"]) == 100
    assert ValidationFailed(problems).body()["details"][-1] == {"field": "field_99", "message": "wrong"}


def test_a_thousand_participants_are_still_taken(api):
    answer = api.post("/v1/sessions", json=game() | {"participants": [seat() for _ in range(1_000)]})
    assert answer.status_code == 201, answer.text
    assert api.delete(f"/v1/sessions/{answer.json()['data']['session_id']}").status_code == 204
    assert api.get(f"/v1/sessions/{uuid4()}").status_code == 404
