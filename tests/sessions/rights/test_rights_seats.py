"""Naming a person is a grant: the owner's and staff's alone. They take it back, and it is over at once, everywhere."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from sessions.services import sessions as service
from sessions.services.outcome import Caller
from sessions.store.store import Snapshot
from sessions.store.writes import LostRace
from synckairos.auth.principal import Principal, mint
from synckairos.engine import SyncMode, create_session, decide
from synckairos.engine.commands import AssignSeat, Create, Seat, Start, Switch
from synckairos.engine.state import Access
from synckairos.errors import SessionNotFound
from tests.conftest import bearer
from tests.sessions.rights.cast import Stage
from tests.sessions.rights.test_rights_screens import lose_what_is_said
from tests.sockets import screen, until_listened
from tests.talk import at, created, done, game, refused, seat, wrong_fields

ADA, CAROL = (mint(name, is_staff=False) for name in ("ada", "carol"))
WITHDRAWN = (4503, "Access withdrawn")


def seats_of_ada(stage):
    return stage.at("participants", stage.ada["participant_id"])


def reads(api, stage, token):
    return api.get(stage.at(), headers=bearer(token)).status_code == 200


def test_a_controller_seats_nobody_by_name_and_by_no_id_either(api, stage):
    controller = bearer(stage.token("token of a controller"))
    mallory = str(uuid4())
    refused(api.post(stage.at("participants"), json=seat(user_id="mallory"), headers=controller), 403, "FORBIDDEN")
    by_id = seat() | {"participant_id": mallory}
    after = done(api.post(stage.at("participants"), json=by_id, headers=controller))
    assert mallory in [p["participant_id"] for p in after["participants"]]
    assert not reads(api, stage, mint(mallory, is_staff=False))
    owners = seat()
    done(api.post(stage.at("participants"), json=owners))
    assert reads(api, stage, mint(owners["participant_id"], is_staff=False))


def test_the_owner_gives_a_seat_to_somebody_else_and_to_nobody(api, stage):
    assert reads(api, stage, ADA)
    after = done(api.patch(seats_of_ada(stage), json={"user_id": "carol", "reason": "Ada had to leave."}))
    assert (after["version"], after["participants"][0]["user_id"]) == (2, "carol")
    assert (reads(api, stage, ADA), reads(api, stage, CAROL)) == (False, True)
    after = done(api.patch(seats_of_ada(stage), json={"user_id": None}))
    assert "user_id" not in after["participants"][0]
    assert (reads(api, stage, ADA), reads(api, stage, CAROL)) == (False, False)
    again = done(api.patch(seats_of_ada(stage), json={"user_id": None}))
    assert again["version"] == after["version"]


def test_a_seat_that_is_nobodys_is_not_that_of_who_has_its_id_as_a_name(api, stage):
    grace = stage.grace["participant_id"]
    token = mint(grace, is_staff=False)
    assert reads(api, stage, token)
    done(api.patch(stage.at("participants", grace), json={"user_id": None}))
    assert not reads(api, stage, token)
    done(api.patch(stage.at("participants", grace), json={"user_id": grace}))
    assert reads(api, stage, token)


def test_who_has_lost_a_seat_commands_no_more_in_any_process(api, other_api, stage):
    stage.do("start")
    done(api.patch(seats_of_ada(stage), json={"user_id": "carol"}))
    for client in (api, other_api):
        refused(client.post(stage.at("switch"), json={}, headers=bearer(ADA)), 404, "SESSION_NOT_FOUND")
    done(other_api.post(stage.at("switch"), json={}, headers=bearer(CAROL)))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "timekeeper"}, "user_id"),
        ({"user_id": "operator"}, "user_id"),
        ({"user_id": " carol"}, "user_id"),
        ({"user_id": 1}, "user_id"),
        ({"user_id": "carol", "adjust_ms": 1}, "total_time_ms"),
        ({"user_id": None, "total_time_ms": 1}, "total_time_ms"),
        ({"reason": "none"}, "total_time_ms"),
    ],
)
def test_a_wrong_assignment_is_refused(api, stage, body, field):
    assert wrong_fields(api.patch(seats_of_ada(stage), json=body)) == [field]


def test_an_assignment_has_its_guards(api, stage):
    refused(api.patch(seats_of_ada(stage), json={"user_id": "carol", "expected_version": 7}), 409, "CONFLICT")
    answer = api.patch(seats_of_ada(stage), json={"user_id": "carol"}, headers={"If-Match": '"v7"'})
    refused(answer, 412, "PRECONDITION_FAILED")
    nowhere = stage.at("participants", str(uuid4()))
    refused(api.patch(nowhere, json={"user_id": "carol"}), 404, "PARTICIPANT_NOT_FOUND")
    key = {"Idempotency-Key": "k"}
    first, again = (done(api.patch(seats_of_ada(stage), json={"user_id": "c"}, headers=key)) for _ in range(2))
    assert first["version"] == again["version"] == 2


async def test_screens_of_who_has_lost_a_seat_are_closed_in_all_processes_and_the_others_hear_of_it(api, webs, stage):
    async with (
        screen(webs[0], stage.id, ADA) as one,
        screen(webs[1], stage.id, ADA) as two,
        screen(webs[1], stage.id, CAROL) as newcomer,
        screen(webs[1], stage.id, mint("alice", is_staff=False)) as owner,
    ):
        for socket in (one, two, newcomer, owner):
            await socket.until("CONNECTED")
        api.patch(seats_of_ada(stage), json={"user_id": "carol", "reason": "late"})
        assert await one.closed() == await two.closed() == WITHDRAWN
        (event,) = (await owner.until("STATE_UPDATE"))["events"]
        assert (event["type"], event["user_id"], event["reason"]) == ("participant.assigned", "carol", "late")
        assert event["participant_id"] == stage.ada["participant_id"]
        assert (await newcomer.until("STATE_UPDATE"))["version"] == 2
        assert "STATE_UPDATE" not in [frame["type"] for frame in one.frames + two.frames]


async def test_a_loss_of_a_seat_that_the_layer_lost_closes_the_socket_all_the_same(api, webs, stage):
    async with screen(webs[0], stage.id, ADA) as socket:
        await socket.until("CONNECTED")
        await lose_what_is_said(lambda: api.patch(seats_of_ada(stage), json={"user_id": None}))
        stage.do("start")
        assert await socket.closed() == WITHDRAWN


async def test_in_a_public_session_who_has_lost_a_seat_looks_on(api, webs):
    stage = Stage(api, {"visibility": "public"})
    async with screen(webs[0], stage.id, ADA) as socket:
        await socket.until("CONNECTED")
        api.patch(seats_of_ada(stage), json={"user_id": None})
        await socket.until_version(2)
        await socket.send(type="SWITCH", id="1")
        assert (await socket.until("ERROR", id="1"))["code"] == "FORBIDDEN"


async def test_a_poll_and_a_stream_of_who_has_lost_a_seat_end(api, webs, stage):
    options = {"base_url": webs[0].url, "headers": bearer(ADA), "verify": False, "timeout": 60}
    async with httpx.AsyncClient(**options) as http, http.stream("GET", stage.at("stream")) as answer:
        lines = answer.aiter_lines()
        while not (await anext(lines)).startswith("data: "):
            pass
        waiting = asyncio.create_task(http.get(stage.at("poll"), params={"since_version": 1}))
        await asyncio.to_thread(until_listened, stage.id)
        await asyncio.to_thread(api.patch, seats_of_ada(stage), json={"user_id": None})
        refused(await waiting, 404, "SESSION_NOT_FOUND")
        told = [line async for line in lines if line.startswith("data: ")]
        assert json.loads(told[-1].removeprefix("data: ")) == {"code": 4503, "reason": "Access withdrawn"}


def test_an_assignment_and_a_command_of_the_same_instant_cannot_pass_each_other():
    ada, session_id = uuid4(), uuid4()
    create = Create.of(
        SyncMode.PER_PARTICIPANT, (Seat(ada, 60_000, user_id="ada"), Seat(uuid4(), 60_000)), access=Access("alice")
    )
    state = decide(create_session(create, session_id=session_id, epoch="one", now=0).state, Start(), 0).state
    steps = service.execute(session_id, Switch(), Caller(Principal("ada", is_staff=False, expires_s=2**40), ""))
    next(steps)
    steps.send(Snapshot(500, state))
    with pytest.raises(SessionNotFound):
        steps.send(LostRace(Snapshot(500, decide(state, AssignSeat(ada), 500).state)))


def test_a_session_token_for_a_seat_stays_good_when_the_seat_is_anothers(api, stage):
    given = stage.given(role="participant", participant_id=stage.ada["participant_id"])
    done(api.patch(seats_of_ada(stage), json={"user_id": None}))
    assert reads(api, stage, given["token"])


def test_a_creation_names_whom_it_likes(api):
    state = created(api, game(participants=[seat(user_id="ada"), seat()]))
    assert api.get(at(state), headers=bearer(ADA)).status_code == 200
