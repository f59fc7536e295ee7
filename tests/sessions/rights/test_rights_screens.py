"""What screens show to whom: nothing of a session that is not theirs, from the moment it is theirs all of it."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from tests.conftest import bearer
from tests.servers import wait_until
from tests.sockets import screen, until_listened
from tests.talk import created, done, game, seat

ALICE, MALLORY, ADA = (mint(name, is_staff=False) for name in ("alice", "mallory", "ada"))


def viewers_of(api, stage):
    return done(api.get(stage.at("presence")))["viewers"]


async def shown_so_far(socket):
    """The types of all frames until now: an answer comes after whatever was on its way."""
    mark = str(uuid4())
    await socket.send(type="PING", timestamp=mark)
    await socket.until("PONG", client_timestamp=mark)
    return [frame["type"] for frame in socket.frames if frame["type"] != "PONG"]


async def test_a_strangers_socket_is_as_if_there_were_no_session(api, webs, stage):
    async with screen(webs[0], stage.id, MALLORY) as stranger, screen(webs[0], stage.id, ALICE) as owner:
        connected = await stranger.until("CONNECTED")
        assert connected["state"] is connected["version"] is connected["epoch"] is None
        await owner.until("CONNECTED")
        async with screen(webs[0], stage.id, ADA):
            await owner.until("PRESENCE")
        stage.do("start", "switch", "pause")
        await owner.until_version(4)
        await stranger.send(type="RECONNECT")
        assert (await stranger.until("ERROR"))["code"] == "SESSION_NOT_FOUND"
        await stranger.send(type="SWITCH", id="x")
        assert (await stranger.until("ERROR"))["code"] == "SESSION_NOT_FOUND"
        assert await shown_so_far(stranger) == ["CONNECTED", "ERROR", "ERROR"]
        seen = await asyncio.to_thread(wait_until, lambda: viewers_of(api, stage), 30, "the owner is seen")
        assert seen == 1
        api.delete(stage.at())
        await owner.until("SESSION_DELETED")
        assert await shown_so_far(stranger) == ["CONNECTED", "ERROR", "ERROR"]


async def test_of_those_who_wait_for_a_session_only_its_people_see_it_appear(api, webs):
    session_id = str(uuid4())
    async with (
        screen(webs[1], session_id, MALLORY) as stranger,
        screen(webs[1], session_id, ALICE) as owner,
        screen(webs[1], session_id, ADA) as player,
    ):
        for socket in (stranger, owner, player):
            assert (await socket.until("CONNECTED"))["state"] is None
        created(api, game(session_id=session_id, participants=[seat(user_id="ada"), seat()]))
        for socket in (owner, player):
            update = await socket.until("STATE_UPDATE")
            assert (update["version"], update["since_version"]) == (1, 0)
            assert [event["type"] for event in update["events"]] == ["session.created"]
        assert await shown_so_far(stranger) == ["CONNECTED"]


async def test_who_is_seated_later_sees_the_session_from_then_on(api, webs, stage):
    async with screen(webs[1], stage.id, MALLORY) as newcomer:
        assert (await newcomer.until("CONNECTED"))["state"] is None
        mine = seat(user_id="mallory")
        assert api.post(stage.at("participants"), json=mine).status_code == 200
        assert (await newcomer.until("STATE_UPDATE"))["state"]["version"] == 2
        assert mine["participant_id"] in (await newcomer.until("PRESENCE"))["connected"]
        stage.do("start")
        await newcomer.until_version(3)


async def test_a_creation_that_the_layer_lost_is_shown_to_its_people_all_the_same(api, webs):
    session_id = str(uuid4())
    async with screen(webs[0], session_id, MALLORY) as stranger, screen(webs[0], session_id, ALICE) as owner:
        await owner.until("CONNECTED")
        await stranger.until("CONNECTED")
        redis_client.blocking_client().client_kill_filter(_type="pubsub")
        created(api, game(session_id=session_id))
        assert (await owner.until("STATE_UPDATE"))["version"] == 1
        assert await shown_so_far(stranger) == ["CONNECTED"]


async def test_a_session_made_anew_for_others_sends_its_old_screens_away(api, webs, public):
    """The word of the deletion was lost: nobody goes on showing what is no more, or sees what is not theirs."""
    async with screen(webs[0], public.id, MALLORY) as viewer:
        await viewer.until("CONNECTED")
        redis_client.blocking_client().client_kill_filter(_type="pubsub")
        api.delete(public.at())
        created(api, game(session_id=public.id))
        code, _ = await viewer.closed()
        assert code in {1000, 1012}
        assert all(frame["type"] in {"CONNECTED", "SESSION_DELETED"} for frame in viewer.frames)
    async with screen(webs[0], public.id, MALLORY) as again:
        assert (await again.until("CONNECTED"))["state"] is None


@pytest.mark.parametrize("name", ["mallory", "ada"])
async def test_an_event_stream_shows_as_much_as_a_socket(webs, stage, name):
    headers = bearer(mint(name, is_staff=False))
    async with (
        httpx.AsyncClient(base_url=webs[0].url, headers=headers, verify=False, timeout=30) as http,
        http.stream("GET", stage.at("stream")) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                frame = json.loads(line.removeprefix("data: "))
                break
        assert (frame["type"], frame["state"] is None) == ("CONNECTED", name == "mallory")


async def test_a_poll_of_a_session_that_becomes_somebody_elses_brings_nothing(api, other_api, public):
    waiting = asyncio.create_task(
        asyncio.to_thread(
            api.get, public.at("poll"), params={"since_version": 1, "wait_ms": 1500}, headers=bearer(MALLORY)
        )
    )
    await asyncio.to_thread(until_listened, public.id)
    other_api.delete(public.at())
    created(other_api, game(session_id=public.id))
    answer = await waiting
    assert answer.status_code in {304, 404}


async def lose_what_is_said(action):
    """Do something while no process hears of it."""
    redis_client.blocking_client().client_kill_filter(_type="pubsub")
    answer = await asyncio.to_thread(action)
    assert answer.is_success, answer.text


async def test_a_revocation_that_the_layer_lost_closes_the_socket_all_the_same(api, webs, stage):
    given = stage.given(role="viewer")
    async with screen(webs[0], stage.id, given["token"]) as viewer:
        await viewer.until("CONNECTED")
        await lose_what_is_said(lambda: api.delete(stage.at("tokens", given["token_id"])))
        stage.do("start")  # a later word brings the screen to the newest version, past what was missed
        assert await viewer.closed() == (4501, "Credentials revoked")


async def test_a_seat_that_the_layer_lost_opens_the_eyes_of_who_waits_alone(api, webs, stage):
    async with screen(webs[0], stage.id, MALLORY) as newcomer:
        assert (await newcomer.until("CONNECTED"))["state"] is None
        await lose_what_is_said(lambda: api.post(stage.at("participants"), json=seat(user_id="mallory")))
        assert (await newcomer.until("STATE_UPDATE"))["version"] == 2


async def test_fresh_credentials_are_judged_like_the_first(api, webs, stage):
    good, revoked = (stage.given(role="viewer", lifetime_ms=60_000) for _ in range(2))
    api.delete(stage.at("tokens", revoked["token_id"]))
    async with screen(webs[0], stage.id, good["token"]) as viewer:
        await viewer.send(type="AUTH", id="1", token=revoked["token"])
        assert (await viewer.until("ERROR", id="1"))["code"] == "UNAUTHENTICATED"
        stage.do("start")
        await viewer.until_version(3)


async def test_who_is_staff_no_longer_sees_no_more_and_who_becomes_staff_sees(webs, stage):
    plain, staff = mint("mallory", is_staff=False), mint("mallory", is_staff=True)
    async with screen(webs[0], stage.id, staff) as leaving, screen(webs[0], stage.id, plain) as coming:
        assert (await leaving.until("CONNECTED"))["state"]
        assert (await coming.until("CONNECTED"))["state"] is None
        for socket, token in ((leaving, plain), (coming, staff)):
            await socket.send(type="AUTH", id="1", token=token)
            await socket.until("ACK", id="1")
        stage.do("start")
        await coming.until_version(2)
        assert "STATE_UPDATE" not in await shown_so_far(leaving)
