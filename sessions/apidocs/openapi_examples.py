"""Examples of the OpenAPI document. `/api-docs` fills them in, and each of them succeeds when it is sent.

They use one session, which the first of them creates: from top to bottom, the page creates, starts, commands, reads
and deletes it. Preconditions have examples of their own, which succeed only while the precondition holds.
tests/contracts/test_contract_examples.py sends them all.
"""

from __future__ import annotations

from typing import Any

from sessions.commands import COMMAND_BY_VERB

SESSION = "cccccccc-0000-4000-8000-000000000001"
WHITE = "aaaaaaaa-0000-4000-8000-000000000001"
BLACK = "bbbbbbbb-0000-4000-8000-000000000002"
_LATE = "dddddddd-0000-4000-8000-000000000003"
_TEAMS = ("eeeeeeee-0000-4000-8000-000000000001", "eeeeeeee-0000-4000-8000-000000000002")
_TEN_MINUTES_MS = 600_000


def _participant(participant_id: str, **more: Any) -> dict[str, Any]:
    return {"participant_id": participant_id, "total_time_ms": _TEN_MINUTES_MS, **more}


def _guarded(version: int) -> dict[str, Any]:
    """Return the examples of a command; `version` is the session's version when no optional step was taken before."""
    return {"as it is": {}, "only on what I have seen": {"expected_version": version}}


_PLAYERS = [{"participant_id": WHITE}, {"participant_id": BLACK}]
"""Participants that have the time of the time control."""
_CREATIONS = {
    "two players": {
        "session_id": SESSION,
        "sync_mode": "per_participant",
        "increment_ms": 2_000,
        "participants": [_participant(WHITE), _participant(BLACK)],
    },
    "two teams, each with one clock": {
        "sync_mode": "per_group",
        "participants": [_participant(WHITE, group_id=_TEAMS[0]), _participant(BLACK, group_id=_TEAMS[1])],
        "groups": [{"group_id": team, "total_time_ms": _TEN_MINUTES_MS} for team in _TEAMS],
    },
    "thirty seconds for each turn": {
        "sync_mode": "per_cycle",
        "time_per_cycle_ms": 30_000,
        "action_on_timeout": {"type": "skip_cycle"},
        "participants": [_participant(WHITE), _participant(BLACK)],
    },
    "one clock for all": {
        "sync_mode": "global",
        "total_time_ms": _TEN_MINUTES_MS,
        "warning_thresholds_ms": [60_000, 10_000],
        "visibility": "public",
        "metadata": {"title": "Mathematics, part 1"},
    },
    "a stopwatch": {"sync_mode": "count_up"},
    "byo-yomi": {
        "sync_mode": "per_participant",
        "time_control": {
            "type": "byo_yomi",
            "main_time_ms": _TEN_MINUTES_MS,
            "periods": 5,
            "period_ms": 30_000,
        },
        "participants": _PLAYERS,
    },
    "stages, in notation": {
        "sync_mode": "per_participant",
        "time_control": "40/5400+30:1800+30",
        "participants": _PLAYERS,
    },
    "five minutes against ten": {
        "sync_mode": "per_participant",
        "time_control": "300=600",
        "participants": _PLAYERS,
    },
    "blitz without the time of the network": {
        "sync_mode": "per_participant",
        "time_control": "180+2",
        "lag_compensation": True,
        "participants": _PLAYERS,
    },
}

BODIES: dict[str, dict[str, Any]] = {
    "createSession": _CREATIONS,
    "startSession": _guarded(1),
    "switchSession": {
        "whose turn is next": {},
        "only if my turn runs": {"current_participant_id": WHITE},
        "to somebody": {"next_participant_id": BLACK},
        "only on what I have seen": {"expected_version": 2},
        "with the time that the user needed": {"think_ms": 4_200},
    },
    "undoSwitch": {"a wrong press": {"reason": "A wrong press."}, "as it is": {}},
    "pauseSession": _guarded(2),
    "resumeSession": _guarded(3),
    "adjustClock": {
        "ten seconds more": {"adjust_ms": 10_000, "reason": "The network was away."},
        "one minute from now on": {"set_ms": 60_000},
        "no less than thirty seconds": {"at_least_ms": 30_000},
    },
    "assignTurn": {"to the other one": {"participant_id": BLACK, "reason": "Black begins."}},
    "completeSession": _guarded(1),
    "cancelSession": _guarded(1),
    "addParticipant": {"somebody who is late": _participant(_LATE)},
    "adjustParticipant": {
        "five seconds more": {"adjust_ms": 5_000, "reason": "The network was away."},
        "five minutes from now on": {"total_time_ms": 300_000},
        "somebody else's seat": {"user_id": "carol", "reason": "Bob had to leave."},
        "nobody's seat": {"user_id": None},
    },
    "getSessions": {"one": {"session_ids": [SESSION]}},
    "createSessionToken": {
        "for a viewer": {"role": "viewer"},
        "for a player": {"role": "participant", "participant_id": WHITE},
        "for a day": {"role": "controller", "lifetime_ms": 86_400_000},
    },
    "createTicket": {"for a session": {"session_id": SESSION}},
    "createToken": {"a user of the admin": {"username": "admin", "password": "the password of that user"}},
    "refreshToken": {"the last one": {"refresh": "what POST /v1/token has answered"}},
    "revokeToken": {"the last one": {"refresh": "what POST /v1/token has answered"}},
}
"""Examples of each operation with a body; the page fills in the first. Examples of credentials are placeholders."""

PARAMETERS: dict[str, Any] = {
    "session_id": SESSION,
    "participant_id": WHITE,
    "token_id": "0123456789abcdef" * 2,
    "fields": "session_id,status,version,participants,deadline_at",
    "since_version": 0,
    "wait_ms": 1_000,
}
"""Values of parameters; preconditions and credentials stay empty."""

_SESSION_PATH = "/v1/sessions/{session_id}"
_LAST = [f"{_SESSION_PATH}/complete", f"{_SESSION_PATH}/cancel", _SESSION_PATH]
_FIRST = ["/v1/sessions", *(f"{_SESSION_PATH}/{verb}" for verb in COMMAND_BY_VERB)]
_TAGS = {
    "sessions": "Make a session, command it, read it. The examples go on from each other, from top to bottom.",
    "tokens": "Credentials.",
    "time": "The clock that all sessions run on.",
    "operations": "For load balancers and monitoring.",
}


def document(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Add order, tags and examples (the last drf-spectacular postprocessing hook)."""
    result["paths"] = dict(sorted(result["paths"].items(), key=lambda item: _position(item[0])))
    result["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    for operation in (operation for item in result["paths"].values() for operation in item.values()):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in PARAMETERS:
                parameter["example"] = PARAMETERS[parameter["name"]]
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            body["examples"] = {
                name: {"summary": name.capitalize(), "value": value}
                for name, value in BODIES[operation["operationId"]].items()
            }
    return result


def _position(path: str) -> tuple[int, int]:
    """Return the position of a path on the page, in the order of a session's life."""
    if path in _LAST:
        return 2, _LAST.index(path)
    return (0, _FIRST.index(path)) if path in _FIRST else (1, 0)
