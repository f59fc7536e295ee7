"""Examples of every frame for the AsyncAPI document: one short game, encoded by the functions that encode frames."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from sessions import frames, messages
from sessions.apidocs.asyncapi_schemas import type_of
from sessions.apidocs.openapi_examples import BLACK, SESSION, WHITE
from sessions.presentation import present, present_switch
from synckairos.engine import commands, create_session, decide, observe
from synckairos.engine.controls.byo_yomi import ByoYomi
from synckairos.engine.events import Event, ParticipantExpired, ParticipantWarned
from synckairos.engine.state import State
from synckairos.engine.units import Instant, SyncMode
from synckairos.errors import CredentialsExpired, InvalidStateTransition, ValidationFailed

Examples = dict[str, list[dict[str, Any]]]

_SESSION, _WHITE, _BLACK = UUID(SESSION), UUID(WHITE), UUID(BLACK)
_EPOCH = "4f0c2a9e"
_NOW: Instant = 1_767_225_600_000
_ID = "b4a1f6d2"
_COMMANDS: dict[type, dict[str, dict[str, Any]]] = {
    commands.Switch: {"if my turn runs": {"current_participant_id": _WHITE}, "with lag": {"think_ms": 4_200}},
    commands.UndoSwitch: {"a wrong press": {"reason": "A wrong press."}},
    commands.AdjustClock: {
        "ten seconds more": {"adjust_ms": 10_000},
        "a soft close": {"at_least_ms": 30_000},
    },
    commands.AssignTurn: {"to the other one": {"participant_id": _BLACK, "reason": "Black begins."}},
}
"""Fields of the examples of commands, by the name of each; other commands have one, without fields."""


def examples() -> Examples:
    """Return at least one example of each type, as `{"name", "payload"}`."""
    return {**_from_server(), **_from_client()}


def _create() -> commands.Create:
    seats = (commands.Seat(_WHITE, 60_000, user_id="alice"), commands.Seat(_BLACK, 60_000, user_id="bob"))
    return commands.Create.of(SyncMode.PER_PARTICIPANT, seats, warning_thresholds_ms=(10_000,))


def _game() -> list[tuple[State, Instant, tuple[Event, ...]]]:
    """Return the commits of the game: created, started, switched after five seconds, and the second clock expired."""
    made = create_session(_create(), session_id=_SESSION, epoch=_EPOCH, now=_NOW)
    commits = [(made.state, _NOW, tuple(made.events))]
    for command, now in (
        (commands.Start(), _NOW + 1_000),
        (commands.Switch(current_participant_id=_WHITE), _NOW + 6_000),
    ):
        decision = decide(commits[-1][0], command, now)
        commits.append((decision.state, now, tuple(decision.events)))
    decision = observe(commits[-1][0], _NOW + 66_004)
    return [*commits, (decision.state, _NOW + 66_004, tuple(decision.events))]


def _phase_changed() -> bytes:
    """Return the frame of a game by byo-yomi, when the first period begins."""
    seats = (commands.Seat(_WHITE, None), commands.Seat(_BLACK, None))
    control = ByoYomi(main_time_ms=60_000, periods=3, period_ms=30_000)
    creation = commands.Create.of(SyncMode.PER_PARTICIPANT, seats, time_control=control)
    made = create_session(creation, session_id=_SESSION, epoch=_EPOCH, now=_NOW)
    started = decide(made.state, commands.Start(), _NOW + 1_000).state
    now = _NOW + 61_000
    over = observe(started, now)
    return messages.state_update(over.state, now, started.version, over.events)


def _from_server() -> Examples:
    created, started, switched, expired = _game()
    state, now, events = switched
    warned = next(event for event in expired[2] if isinstance(event, ParticipantWarned))
    ended = next(event for event in expired[2] if isinstance(event, ParticipantExpired))
    return {
        "CONNECTED": [
            _example("a session that runs", messages.connected(_SESSION, started[0], started[1] + 500)),
            _example("a session that does not exist yet", messages.connected(_SESSION, None, _NOW)),
        ],
        "STATE_UPDATE": [
            _example("created", messages.state_update(created[0], created[1], 0, created[2])),
            _example("switched", messages.state_update(state, now, started[0].version, events)),
            _example("the main time is over", _phase_changed()),
        ],
        "STATE_SYNC": [
            _example(
                "all that was missed",
                messages.state_sync(state, now, recovered=True, since_version=1, missed=(*started[2], *events)),
            ),
            _example("too long ago", messages.state_sync(state, now, recovered=False, since_version=None, missed=())),
        ],
        "TIME_WARNING": [_example("ten seconds left", messages.time_warning(_SESSION, _EPOCH, warned, warned.at_ms))],
        "TIME_EXPIRED": [_example("none left", messages.time_expired(_SESSION, _EPOCH, ended, expired[1]))],
        "SESSION_DELETED": [_example("deleted", messages.session_deleted(_SESSION, now))],
        "PRESENCE": [_example("one of the two", messages.presence(_SESSION, now, [_WHITE]))],
        "PONG": [_example("with the client's instant", messages.pong(now, now, now - 40))],
        "ACK": [
            _example("of START", messages.ack(_ID, started[0].version, present(*started[:2]))),
            _example("of SWITCH", messages.ack(_ID, state.version, present_switch(state, now))),
            _example("of AUTH", messages.authenticated(_ID, state.version, _NOW + 43_200_000)),
        ],
        "ERROR": [
            _example("a refusal", messages.error(InvalidStateTransition("Cannot pause this session"), _ID)),
            _example("a frame that cannot be read", messages.error(ValidationFailed([("frame", "Malformed JSON.")]))),
            _example("credentials that have expired", messages.error(CredentialsExpired(30_000))),
        ],
    }


def _from_client() -> Examples:
    given: list[tuple[str, Struct]] = [
        ("what time is it", frames.Ping(timestamp=_NOW)),
        ("back again", frames.Reconnect(last_version=2, epoch=_EPOCH)),
        ("fresh credentials", frames.Auth("eyJhbGciOiJFZERTQSJ9.…", _ID)),
    ]
    for frame, row in frames.COMMAND_BY_FRAME.items():
        for place, (name, fields) in enumerate(_COMMANDS.get(row.kind, {row.verb: {}}).items()):
            given.append((name, frame(id=f"{_ID}-{place}", **fields)))
    found: Examples = {}
    for name, example in given:
        found.setdefault(type_of(type(example)), []).append(_client_example(name, example))
    return found


def _example(name: str, frame: bytes) -> dict[str, Any]:
    return {"name": name, "payload": msgspec.json.decode(frame)}


def _client_example(name: str, frame: Struct) -> dict[str, Any]:
    """Return an example without the fields that are null."""
    given = msgspec.to_builtins(frame)
    return {"name": name, "payload": {field: value for field, value in given.items() if value is not None}}
