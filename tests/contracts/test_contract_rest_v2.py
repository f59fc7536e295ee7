"""The SyncKairos v2 protocol over REST, as the clients of today speak it. What is asserted here must never change."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from synckairos.auth.principal import mint
from tests.conftest import client_of

Check = Callable[[Any], bool]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def api(webs):
    with client_of(webs[0], mint("alice", is_staff=False)) as client:
        yield client


def uuid(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


def instant(value: Any) -> bool:
    return isinstance(value, str) and INSTANT.fullmatch(value) is not None


def whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def flag(value: Any) -> bool:
    return value is True or value is False


def text(value: Any) -> bool:
    return isinstance(value, str)


def items(value: Any) -> bool:
    return isinstance(value, list)


def thing(value: Any) -> bool:
    return isinstance(value, dict)


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


STATE: dict[str, Check] = {
    "session_id": uuid,
    "sync_mode": text,
    "status": text,
    "version": whole,
    "participants": items,
    "active_participant_id": or_null(uuid),
    "total_time_ms": whole,
    "time_per_cycle_ms": or_null(whole),
    "cycle_started_at": or_null(instant),
    "session_started_at": or_null(instant),
    "session_completed_at": or_null(instant),
    "increment_ms": whole,
    "metadata": or_null(thing),
    "created_at": instant,
    "updated_at": instant,
}
STATE_OPTIONAL: dict[str, Check] = {"max_time_ms": whole}
STATE_OURS: dict[str, Check] = {
    "epoch": text,
    "cycle_number": whole,
    "active_group_id": or_null(uuid),
    "groups": items,
    "auto_advance": flag,
    "action_on_timeout": or_null(thing),
    "owner": text,
    "visibility": text,
    "permissions": items,
    "warning_thresholds_ms": items,
    "start_at": or_null(instant),
    "deadline_at": or_null(instant),
    "time_remaining_ms": or_null(whole),
    "overtime_ms": whole,
    "elapsed_ms": whole,
    "server_time_ms": whole,
    "has_expired": flag,
    "time_control": or_null(thing),
    "lag_compensation": flag,
    "drains_from": or_null(instant),
}
PARTICIPANT: dict[str, Check] = {
    "participant_id": uuid,
    "participant_index": whole,
    "total_time_ms": whole,
    "time_used_ms": whole,
    "time_remaining_ms": whole,
    "cycle_count": whole,
    "is_active": flag,
    "has_expired": flag,
}
PARTICIPANT_OPTIONAL: dict[str, Check] = {
    "group_id": uuid,
    "user_id": text,
    "drains_from": instant,
    "deadline_at": instant,
}
SWITCH: dict[str, Check] = {
    "session_id": uuid,
    "active_participant_id": or_null(uuid),
    "cycle_started_at": or_null(instant),
    "participants": items,
    "status": text,
}
SWITCH_OPTIONAL: dict[str, Check] = {"expired_participant_id": uuid, "action_applied": thing}
SWITCH_OURS: dict[str, Check] = {"version": whole, "server_time_ms": whole}


def check(data: dict[str, Any], required: dict[str, Check], optional: dict[str, Check]) -> None:
    """Exactly these fields, each of its type."""
    assert set(required) <= set(data) <= set(required) | set(optional)
    for name, value in data.items():
        assert (required | optional)[name](value), f"{name}: {value!r}"


def state_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The state in a success, checked to the last field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"data"}
    data: dict[str, Any] = body["data"]
    check(data, STATE | STATE_OURS, STATE_OPTIONAL)
    for participant in data["participants"]:
        check(participant, PARTICIPANT, PARTICIPANT_OPTIONAL)
    return data


def switched(answer: httpx.Response) -> dict[str, Any]:
    """The result of a switch, checked to the last field."""
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    check(data, SWITCH | SWITCH_OURS, SWITCH_OPTIONAL)
    for participant in data["participants"]:
        check(participant, PARTICIPANT, PARTICIPANT_OPTIONAL)
    return data


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal in v2's shape."""
    error = answer.json()["error"]
    assert isinstance(error["message"], str)
    return answer.status_code, error["code"]


def test_a_v2_client_plays_its_whole_game(api):
    session_id, white, black = (str(uuid4()) for _ in range(3))
    address = f"/v1/sessions/{session_id}"
    body = {
        "session_id": session_id,
        "sync_mode": "per_participant",
        "participants": [
            {"participant_id": white, "participant_index": 0, "total_time_ms": 300_000},
            {"participant_id": black, "participant_index": 1, "total_time_ms": 300_000},
        ],
        "total_time_ms": 600_000,
        "increment_ms": 3_000,
    }
    state = state_of(api.post("/v1/sessions", json=body), 201)
    assert (state["session_id"], state["status"], state["version"]) == (session_id, "pending", 1)
    assert (state["total_time_ms"], state["increment_ms"]) == (600_000, 3_000)
    for unset in ("cycle_started_at", "session_started_at", "session_completed_at", "active_participant_id"):
        assert state[unset] is None
    assert state["time_per_cycle_ms"] is None
    assert "max_time_ms" not in state
    assert all("group_id" not in p for p in state["participants"])

    state = state_of(api.post(f"{address}/start"))
    assert (state["status"], state["active_participant_id"], state["version"]) == ("running", white, 2)
    assert [p["is_active"] for p in state["participants"]] == [True, False]

    result = switched(api.post(f"{address}/switch", json={}))
    assert (result["status"], result["active_participant_id"], result["session_id"]) == ("running", black, session_id)
    first = result["participants"][0]
    assert first["total_time_ms"] == 300_000 - first["time_used_ms"] + 3_000
    assert first["cycle_count"] == 1
    result = switched(api.post(f"{address}/switch", json={"next_participant_id": white}))
    assert result["active_participant_id"] == white

    assert state_of(api.post(f"{address}/pause"))["status"] == "paused"
    assert state_of(api.get(address))["cycle_started_at"] is None
    assert state_of(api.post(f"{address}/resume"))["status"] == "running"
    state = state_of(api.post(f"{address}/complete"))
    assert state["status"] == "completed"
    assert state["session_completed_at"] is not None
    answer = api.delete(address)
    assert (answer.status_code, answer.content) == (204, b"")
    assert error_of(api.get(address)) == (404, "SESSION_NOT_FOUND")


def test_a_v2_client_counts_down_from_what_it_reads(api):
    body = {"sync_mode": "per_participant", "participants": [{"participant_id": str(uuid4()), "total_time_ms": 9_000}]}
    address = f"/v1/sessions/{api.post('/v1/sessions', json=body).json()['data']['session_id']}"
    api.post(f"{address}/start")
    state = state_of(api.get(address))
    active = next(p for p in state["participants"] if p["is_active"])
    began_ms = round(datetime.fromisoformat(state["cycle_started_at"]).timestamp() * 1000)
    assert active["total_time_ms"] == 9_000
    assert active["time_remaining_ms"] == 9_000 - (state["server_time_ms"] - began_ms) == state["time_remaining_ms"]
    assert active["time_used_ms"] == state["server_time_ms"] - began_ms


@pytest.mark.parametrize(
    "body",
    [
        {"sync_mode": "per_cycle", "time_per_cycle_ms": 5_000, "max_time_ms": 60_000},
        {"sync_mode": "global", "total_time_ms": 60_000, "metadata": {"room": "a"}},
        {"sync_mode": "count_up", "max_time_ms": 60_000},
        {"sync_mode": "per_group", "group": True},
        {"sync_mode": "per_participant", "warning_thresholds_ms": [500], "action_on_timeout": {"type": "end_session"}},
    ],
    ids=lambda body: body["sync_mode"],
)
def test_every_mode_shows_every_field_in_every_status(api, body):
    grouped = body.pop("group", False)
    seats = [{"participant_id": str(uuid4()), "total_time_ms": 1_000} for _ in range(3)]
    if grouped:
        seats = [seat | {"group_id": str(uuid4())} for seat in seats]
    state = state_of(api.post("/v1/sessions", json=body | {"participants": seats}), 201)
    address = f"/v1/sessions/{state['session_id']}"
    assert ("max_time_ms" in state) == ("max_time_ms" in body)
    assert all(("group_id" in p) == grouped for p in state["participants"])
    for step in ("start", "pause", "resume"):
        state_of(api.post(f"{address}/{step}"))
        state_of(api.get(address))
    switched(api.post(f"{address}/switch"))
    assert state_of(api.post(f"{address}/complete"))["status"] == "completed"


def test_v2_errors_keep_their_codes(api):
    assert error_of(api.get(f"/v1/sessions/{uuid4()}")) == (404, "SESSION_NOT_FOUND")
    wrong = api.post("/v1/sessions", json={"sync_mode": "per_participant", "participants": [{"total_time_ms": 5}]})
    assert error_of(wrong) == (400, "VALIDATION_ERROR")
    assert wrong.json()["error"]["message"] == "Request validation failed"
    assert {"field": "participants.0.total_time_ms"}.items() <= wrong.json()["error"]["details"][1].items()
    body = {"sync_mode": "global", "total_time_ms": 5_000}
    address = f"/v1/sessions/{api.post('/v1/sessions', json=body).json()['data']['session_id']}"
    early = api.post(f"{address}/switch")
    assert error_of(early) == (400, "INVALID_STATE_TRANSITION")
    assert "pending" in early.json()["error"]["message"]
    assert error_of(api.post(f"{address}/start", json={"expected_version": 9})) == (409, "CONFLICT")


def test_v2_doors_for_operations(api):
    assert api.get("/health").json() == {"status": "ok"}
    assert api.get("/ready").json()["status"] == "ready"
    time = api.get("/v1/time").json()
    assert time["server_version"] == "2.0.0"
    assert time["drift_tolerance_ms"] == 50
    assert whole(time["timestamp_ms"])
    assert "data" not in time
    assert api.get("/metrics").headers["content-type"].startswith("text/plain")
    assert api.get("/api-docs.json").json()["openapi"].startswith("3.1")
