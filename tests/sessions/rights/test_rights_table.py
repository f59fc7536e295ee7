"""The rights table: every action has a row, every door an action, and every door does what the table says."""

from __future__ import annotations

from typing import get_args

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

from audit import models
from sessions import frames
from sessions.commands import ACTION_BY_COMMAND
from sessions.realtime import long_poll_and_sse
from sessions.rest.base import SessionEndpoint
from sessions.rest.token_views import TokenEndpoint
from synckairos.auth.grants import Role
from synckairos.auth.permissions import ALLOWED_ROLES, Action
from synckairos.engine.commands import Command
from tests.conftest import bearer
from tests.sessions.rights import cast
from tests.sessions.rights.cast import DOORS, PEOPLE, STRANGER, Stage
from tests.sockets import screen
from tests.talk import done, refused

SOCKET_ACTIONS = {
    "START": (Action.START, ()),
    "PAUSE": (Action.PAUSE, ("start",)),
    "RESUME": (Action.RESUME, ("start", "pause")),
    "SWITCH": (Action.SWITCH, ("start",)),
    "UNDO": (Action.UNDO, ("start", "switch")),
    "ADJUST_CLOCK": (Action.ADJUST_TIME, ()),
    "ASSIGN_TURN": (Action.ASSIGN_TURN, ()),
    "COMPLETE": (Action.COMPLETE, ()),
    "CANCEL": (Action.CANCEL, ()),
}
"""Commands of a socket: what each does, and what has to be done before."""
NO_COMMANDS = {"PING", "RECONNECT", "AUTH"}
"""Frames that change nothing; what they bring is what the socket may show."""
EXPECTED = {
    "read": "staff owner controller participant viewer",
    "start": "staff owner controller",
    "pause": "staff owner controller",
    "resume": "staff owner controller",
    "switch": "staff owner controller participant",
    "complete": "staff owner controller",
    "cancel": "staff owner controller",
    "add_participant": "staff owner controller",
    "adjust_time": "staff owner",
    "undo": "staff owner controller",
    "assign_turn": "staff owner controller",
    "assign_seat": "staff owner",
    "delete": "staff owner",
    "share": "staff owner",
}


def routes(resolver, prefix="/"):
    """Every address and view of the URL configuration."""
    for item in resolver.url_patterns:
        path = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            yield from routes(item, path)
        elif isinstance(item, URLPattern):
            yield path.replace("<str:", "{").replace(">", "}"), item.callback


def methods_of(view):
    """The methods that a view answers."""
    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return set() if cls is None else {m.upper() for m in cls.http_method_names if m != "options" and hasattr(cls, m)}


def test_the_table_is_this():
    assert {action.value: {role.value for role in roles} for action, roles in ALLOWED_ROLES.items()} == {
        action: set(roles.split()) for action, roles in EXPECTED.items()
    }
    assert set(ALLOWED_ROLES) == set(Action)


def test_every_command_of_the_engine_has_an_action():
    assert set(ACTION_BY_COMMAND) == set(get_args(Command))
    assert set(ACTION_BY_COMMAND.values()) == set(Action) - {Action.READ}


def test_every_route_has_a_row():
    tested = {(door.method, door.path) for door in DOORS}
    for path, view in routes(get_resolver()):
        if path.startswith(("/admin/", "/api-docs")) or path in cast.NO_SESSION | cast.NO_SESSION_YET:
            continue
        if path in cast.TOKEN_DOORS:
            assert issubclass(view.view_class, TokenEndpoint)
            continue
        assert issubclass(view.view_class, SessionEndpoint), path
        for method in methods_of(view):
            assert (method, path) in tested, f"nobody says who may {method} {path}"
    waiting = {f"/v1/sessions/{{session_id}}/{name}" for name in long_poll_and_sse.HANDLERS}
    assert waiting == {cast.STREAM, "/v1/sessions/{session_id}/poll"}


def test_every_command_of_the_socket_has_a_row():
    kinds = {kind.__struct_config__.tag for kind in frames.CLIENT_FRAMES}
    assert kinds == set(SOCKET_ACTIONS) | NO_COMMANDS
    assert {kind.__struct_config__.tag: row.action for kind, row in frames.COMMAND_BY_FRAME.items()} == {
        tag: action for tag, (action, _) in SOCKET_ACTIONS.items()
    }


def test_the_admin_changes_no_history_and_knows_no_other_door(rf):
    shown = {model for model in admin.site._registry if model._meta.app_label == "audit"}
    history = {models.SyncSession, models.SyncCommit, models.SyncEvent, models.SyncParticipant}
    assert shown == history | {models.SyncHold, models.SyncPruned, models.SyncErasure}
    assert not any(model._meta.app_label == "sync_sessions" for model in admin.site._registry)
    for model in shown:
        page, request = admin.site._registry[model], rf.get("/")
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.method} {door.path}")
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("visibility", ["private", "public"])
def test_every_door_lets_in_whom_the_table_names(api, door, who, visibility):
    stage = Stage(api, {"visibility": visibility}).do(*door.ready)
    if door.action is Action.SWITCH and PEOPLE[who] is Role.PARTICIPANT:
        give_the_turn_to(stage, who)
    token = stage.token(who)
    before = done(api.get(stage.at()))["version"]
    answer = door.knock(api, stage, token)
    role = PEOPLE[who] or (None if visibility == "private" else Role.VIEWER)
    if role is not None and role in ALLOWED_ROLES[door.action]:
        assert answer.status_code == door.good, answer.text
        return
    if role is None and door.action is Action.DELETE:
        assert answer.status_code == 204  # as for a session that does not exist
    elif role is None:
        refused(answer, 404, "SESSION_NOT_FOUND")
    else:
        refused(answer, 403, "FORBIDDEN")
    assert done(api.get(stage.at()))["version"] == before


def give_the_turn_to(stage, who):
    """The owner passes the turn to a participant."""
    participant_id = stage.seat_of(who)["participant_id"]
    done(stage.api.post(stage.at("switch"), json={"next_participant_id": participant_id}))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.method} {door.path}")
def test_a_stranger_cannot_tell_a_private_session_from_none(api, stage, door):
    stranger = stage.token(STRANGER)
    found = door.knock(api, stage, stranger)
    true_id, stage.id = stage.id, cast.id_of_nobody()
    missing = door.knock(api, stage, stranger)
    assert found.status_code == missing.status_code
    assert found.text.replace(true_id, "X") == missing.text.replace(stage.id, "X")
    told = {"date", "x-request-id", "ratelimit"}
    assert {n: v for n, v in found.headers.items() if n not in told} == {
        n: v for n, v in missing.headers.items() if n not in told
    }


def fields_of(command, stage):
    """The fields that a command needs."""
    other = {"participant_id": stage.joan["participant_id"]}
    return {"ADJUST_CLOCK": {"set_ms": 5_000}, "ASSIGN_TURN": other}.get(command, {})


@pytest.mark.parametrize("command", SOCKET_ACTIONS)
@pytest.mark.parametrize("who", PEOPLE)
async def test_every_command_of_a_socket_is_for_whom_the_table_names(api, webs, who, command):
    action, ready = SOCKET_ACTIONS[command]
    stage = Stage(api, {"visibility": "public"}).do(*ready)
    if action is Action.SWITCH and PEOPLE[who] is Role.PARTICIPANT:
        give_the_turn_to(stage, who)
    async with screen(webs[1], stage.id, stage.token(who)) as socket:
        await socket.send(type=command, id="1", **fields_of(command, stage))
        if (PEOPLE[who] or Role.VIEWER) in ALLOWED_ROLES[action]:
            await socket.until("ACK", id="1")
        else:
            assert (await socket.until("ERROR", id="1"))["code"] == "FORBIDDEN"


def test_who_may_read_in_a_batch_reads_and_the_rest_is_missing(api, stage, public):
    ids = [stage.id, public.id]
    for who in PEOPLE:
        answer = api.post("/v1/sessions/batch", json={"session_ids": ids}, headers=bearer(stage.token(who)))
        expected = {STRANGER: [public.id]}.get(who, [stage.id] if who.startswith("token") else ids)
        assert [state["session_id"] for state in done(answer)["sessions"]] == expected
        assert done(answer)["missing"] == [i for i in ids if i not in expected]
