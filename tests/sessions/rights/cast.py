"""Everybody who may stand before a session, and every door they may knock at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from synckairos.auth.grants import Role
from synckairos.auth.permissions import Action
from synckairos.auth.principal import mint
from tests.conftest import bearer
from tests.talk import at, created, done, game, seat

STRANGER = "stranger"
PEOPLE = {
    "staff": Role.STAFF,
    "owner": Role.OWNER,
    "participant by user_id": Role.PARTICIPANT,
    "participant by id": Role.PARTICIPANT,
    "token of a controller": Role.CONTROLLER,
    "token of a participant": Role.PARTICIPANT,
    "token of a viewer": Role.VIEWER,
    STRANGER: None,
}
"""Who comes, and what they are to a private session; to any other, a stranger is a viewer."""


@dataclass
class Stage:
    """A session of Alice's with three seats, and the tokens of everybody. The first seat is Ada's, who begins."""

    api: httpx.Client
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ada, self.grace, self.joan = seat(user_id="ada"), seat(), seat()
        self.seats = [self.ada, self.grace, self.joan]
        self.state = created(self.api, game(participants=self.seats, **self.options))
        self.id = self.state["session_id"]

    def at(self, *parts: str) -> str:
        """An address of the session."""
        return at(self.state, *parts)

    def do(self, *steps: str) -> Stage:
        """The owner does this."""
        for step in steps:
            done(self.api.post(self.at(step)))
        return self

    def given(self, **body: Any) -> dict[str, Any]:
        """A session token, as its giver sees it."""
        answer = self.api.post(self.at("tokens"), json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def token(self, who: str) -> str:
        """The credentials of one of PEOPLE."""
        if who == "token of a participant":
            return str(self.given(role="participant", participant_id=self.joan["participant_id"])["token"])
        if who.startswith("token of a "):
            return str(self.given(role=who.rpartition(" ")[2])["token"])
        names = {"owner": "alice", "participant by user_id": "ada", "participant by id": self.grace["participant_id"]}
        return mint(names.get(who, who), is_staff=who == "staff")

    def seat_of(self, who: str) -> dict[str, Any]:
        """The seat of a participant."""
        by_name = {"participant by user_id": self.ada, "participant by id": self.grace}
        return by_name.get(who, self.joan)


@dataclass(frozen=True)
class Door:
    """A request that does one thing with a session that is ready for it."""

    action: Action
    method: str
    path: str
    ready: tuple[str, ...] = ()
    """What has to be done before."""
    body: Any = None
    """The body, or a function that returns it for a stage."""
    good: int = httpx.codes.OK

    def knock(self, api: httpx.Client, stage: Stage, token: str, **headers: str) -> httpx.Response:
        """Send it, with these credentials."""
        path = self.path.format(session_id=stage.id, participant_id=stage.ada["participant_id"], token_id="0" * 32)
        body = self.body(stage) if callable(self.body) else self.body
        return api.request(self.method, path, json=body, headers=bearer(token) | headers)


_AT = "/v1/sessions/{session_id}"
DOORS = [
    Door(Action.READ, "GET", _AT),
    Door(Action.READ, "GET", f"{_AT}/summary"),
    Door(Action.READ, "GET", f"{_AT}/events"),
    Door(Action.READ, "GET", f"{_AT}/presence"),
    Door(Action.READ, "GET", f"{_AT}/poll"),
    Door(Action.START, "POST", f"{_AT}/start", body={}),
    Door(Action.PAUSE, "POST", f"{_AT}/pause", ("start",), {}),
    Door(Action.RESUME, "POST", f"{_AT}/resume", ("start", "pause"), {}),
    Door(Action.SWITCH, "POST", f"{_AT}/switch", ("start",), {}),
    Door(Action.UNDO, "POST", f"{_AT}/undo", ("start", "switch"), {}),
    Door(
        Action.ASSIGN_TURN, "POST", f"{_AT}/turn", body=lambda stage: {"participant_id": stage.joan["participant_id"]}
    ),
    Door(Action.ADJUST_TIME, "PATCH", f"{_AT}/clock", body={"adjust_ms": 5}),
    Door(Action.COMPLETE, "POST", f"{_AT}/complete", body={}),
    Door(Action.CANCEL, "POST", f"{_AT}/cancel", body={}),
    Door(Action.ADD_PARTICIPANT, "POST", f"{_AT}/participants", body=seat()),
    Door(
        Action.ADJUST_TIME, "PATCH", f"{_AT}/participants/{{participant_id}}", body={"adjust_ms": 5, "reason": "late"}
    ),
    Door(Action.ASSIGN_SEAT, "PATCH", f"{_AT}/participants/{{participant_id}}", body={"user_id": "carol"}),
    Door(Action.ASSIGN_SEAT, "PATCH", f"{_AT}/participants/{{participant_id}}", body={"user_id": None}),
    Door(Action.DELETE, "DELETE", _AT, good=httpx.codes.NO_CONTENT),
    Door(Action.SHARE, "POST", f"{_AT}/tokens", body={"role": "viewer"}, good=httpx.codes.CREATED),
    Door(Action.SHARE, "DELETE", f"{_AT}/tokens", good=httpx.codes.NO_CONTENT),
    Door(Action.SHARE, "DELETE", f"{_AT}/tokens/{{token_id}}", good=httpx.codes.NO_CONTENT),
]
"""Every REST door of one session."""
STREAM = "/v1/sessions/{session_id}/stream"
"""A door that stays open (tests/sessions/rights/test_rights_screens.py)."""
NO_SESSION_YET = {"/v1/sessions", "/v1/sessions/batch", "/v1/ws-tickets", "/v1/exports/events"}
"""Doors that are not about one session that exists; each has tests of its own."""
NO_SESSION = {"/health", "/ready", "/metrics", "/.well-known/jwks.json", "/v1/time", "/asyncapi.json"}
"""Doors without a session."""
TOKEN_DOORS = {"/v1/token", "/v1/token/refresh", "/v1/token/revoke"}
"""Doors for who has no credentials yet."""


def id_of_nobody() -> str:
    """A session that does not exist."""
    return str(uuid4())
