"""How the tests of the REST door talk to it: games in every status, and what a proper refusal looks like."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

STATUSES = ("pending", "running", "paused", "completed", "cancelled", "expired")
JSON = {"Content-Type": "application/json"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|rest_framework|django|redis|msgspec|synckairos|<html|<!doctype", re.IGNORECASE
)


class EarlyRequest:
    """A whole request as the server gives it to the fast path."""

    def __init__(self, headers: list[tuple[bytes, bytes]] | dict[bytes, bytes], **changes: Any) -> None:
        self.method, self.path, self.query_string, self.body = "POST", "/v1/sessions", b"", b""
        self.scheme, self.client, self.peer = "http", ("127.0.0.1", 1), "127.0.0.1"
        self.headers = list(headers.items()) if isinstance(headers, dict) else headers
        vars(self).update(changes)

    @property
    def scope(self) -> dict[str, Any]:
        return vars(self)


def seat(**changes: Any) -> dict[str, Any]:
    """One participant as asked for."""
    return {"participant_id": str(uuid4()), "total_time_ms": 60_000} | changes


def game(seats: int = 2, **changes: Any) -> dict[str, Any]:
    """A creation body."""
    return {"sync_mode": "per_participant", "participants": [seat() for _ in range(seats)]} | changes


def created(api: httpx.Client, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    """A new session's state."""
    answer = api.post("/v1/sessions", json=body or game(), headers=headers)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def at(state: dict[str, Any], *parts: str) -> str:
    """An address of a session."""
    return "/".join(["/v1/sessions", state["session_id"], *parts])


def done(answer: httpx.Response) -> Any:
    """The data of a success."""
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()["data"]


def in_status(status: str, api: httpx.Client, staff_api: httpx.Client) -> dict[str, Any]:
    """A session in that status."""
    state = created(api, game(action_on_timeout={"type": "end_session"}))
    first = state["participants"][0]["participant_id"]
    match status:
        case "pending":
            steps = []
        case "paused":
            steps = ["start", "pause"]
        case "completed":
            steps = ["complete"]
        case "cancelled":
            steps = ["cancel"]
        case _:
            steps = ["start"]
    for step in steps:
        state = done(api.post(at(state, step)))
    if status == "expired":
        state = done(staff_api.patch(at(state, "participants", first), json={"total_time_ms": 0}))
    assert state["status"] == status
    return state


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal, which must look like every other and tell nothing about the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert set(error) <= {"code", "message", "details", "retry_after_seconds"}
    assert not LEAKS.search(answer.text), answer.text
    return error


def wrong_fields(answer: httpx.Response) -> list[str]:
    """The fields that a 400 names, sorted."""
    error = refused(answer, 400, "VALIDATION_ERROR")
    assert error["message"] == "Request validation failed"
    assert all(set(item) == {"field", "message"} and item["message"] for item in error["details"])
    return sorted(item["field"] for item in error["details"])


def ms(instant: str) -> int:
    """An ISO instant as milliseconds since the epoch."""
    assert INSTANT.fullmatch(instant), instant
    return round(datetime.fromisoformat(instant).timestamp() * 1000)
