"""What one body may cost: lengths are judged before items, and an answer names a bounded number of problems."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from rest_framework.exceptions import ValidationError

from sessions.rest.bodies import BatchBody, CreateBody, ParticipantBody
from sessions.rest.fields import UUIDField
from synckairos.errors import MAX_DETAILS, ValidationFailed
from tests.sessions.rest.talk import game, seat, wrong_fields

FILLING = 80_000
"""Empty objects that a body of 256 KiB has room for."""


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


def _asked(body: type, field: type, data: dict[str, Any]) -> int:
    """How many items were looked at until a body was refused."""
    with patch.object(field, "to_internal_value", autospec=True, side_effect=ValidationError("wrong")) as looked:
        assert not body(data=data).is_valid()
    return looked.call_count


def test_no_item_of_a_list_that_is_too_long_is_looked_at():
    assert _asked(CreateBody, ParticipantBody, {"sync_mode": "global", "participants": [{}] * 1_001}) == 0
    assert _asked(CreateBody, ParticipantBody, {"sync_mode": "global", "participants": [{}] * 1_000}) == 1_000
    assert _asked(BatchBody, UUIDField, {"session_ids": [""] * 51}) == 0


def test_of_many_wrong_values_an_answer_names_a_hundred_and_counts_the_rest(api):
    answer = api.post(
        "/v1/sessions", json={"sync_mode": "global", "total_time_ms": 60_000, "participants": [{}] * 1_000}
    )
    details = answer.json()["error"]["details"]
    assert len(details) == MAX_DETAILS == 100
    assert details[-1] == {"field": "body", "message": "1901 more problems are not listed."}


def test_many_unknown_fields_are_counted_likewise(api):
    many = {f"field_{number}": 0 for number in range(5_000)}
    details = api.post("/v1/sessions", json=game() | many).json()["error"]["details"]
    assert len(details) == MAX_DETAILS
    assert details[-1]["message"] == "4901 more problems are not listed."


def test_up_to_a_hundred_problems_are_all_named():
    problems = [(f"field_{number}", "wrong") for number in range(100)]
    assert len(ValidationFailed(problems).body()["details"]) == 100
    assert ValidationFailed(problems).body()["details"][-1] == {"field": "field_99", "message": "wrong"}


def test_a_thousand_participants_are_still_taken(api):
    answer = api.post("/v1/sessions", json=game() | {"participants": [seat() for _ in range(1_000)]})
    assert answer.status_code == 201, answer.text
    assert api.delete(f"/v1/sessions/{answer.json()['data']['session_id']}").status_code == 204
    assert api.get(f"/v1/sessions/{uuid4()}").status_code == 404
