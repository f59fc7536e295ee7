"""Sockets that come and go while things happen: nobody is told less, twice, or in the wrong order."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from synckairos import stored_state
from synckairos.engine.commands import AdjustTime
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.clocked import Clock
from tests.conftest import bearer
from tests.sockets import screen


@pytest.fixture
def running(api, game):
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{session_id}/start")
    return session_id


@pytest.mark.parametrize("again", range(3))
async def test_who_was_there_is_told_what_a_newcomers_arrival_brought_to_light(webs, token, again):
    """Nobody keeps time here: the newcomer's read applies the deadline, and everybody must see it."""
    now_ms, hour_ms = int(time.time() * 1000), 3_600_000
    past = Clock(now_ms - 2 * hour_ms)
    session_id = past.start(bank_ms=24 * hour_ms, action_on_timeout={"type": "end_session"})
    state = stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))
    seat = state.participants[0].participant_id
    session_id = str(session_id)
    async with screen(webs[0], session_id, token) as early:
        assert (await early.until("CONNECTED"))["state"]["status"] == "running"
        # Somebody whose command was late: now the deadline is an hour ago.
        await asyncio.to_thread(past.do, UUID(session_id), AdjustTime(seat, total_time_ms=hour_ms))
        assert (await early.until("STATE_UPDATE"))["state"]["status"] == "running"
        async with screen(webs[0], session_id, token) as late:
            assert (await late.until("CONNECTED"))["state"]["status"] == "expired"
            assert (await early.until("STATE_UPDATE"))["state"]["status"] == "expired"


async def test_a_lost_message_is_made_good_even_when_somebody_joins_at_once(webs, api, token, running):
    async with screen(webs[0], running, token) as early:
        await early.until("CONNECTED")
        for client in redis_client.blocking_client().client_list(_type="pubsub"):
            redis_client.blocking_client().client_kill_filter(_id=client["id"])
        api.post(f"/v1/sessions/{running}/switch")
        async with screen(webs[0], running, token) as late:
            assert (await late.until("CONNECTED"))["version"] == 3
            await early.until_version(3)


async def test_frames_of_a_socket_never_go_back_while_it_joins_and_asks_under_fire(webs, token, running):
    stop = asyncio.Event()

    async def hammer(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=bearer(token), verify=False) as http:
            while not stop.is_set():
                await http.post(f"/v1/sessions/{running}/switch")

    hammers = [asyncio.create_task(hammer(web.url)) for web in webs]
    for _ in range(25):
        async with screen(webs[0], running, token) as viewer:
            for _ in range(3):
                await viewer.send(type="RECONNECT")
                await viewer.until("STATE_SYNC")
            versions = [frame["version"] for frame in viewer.frames]
            assert versions == sorted(versions)
            shown = [frame["version"] for frame in viewer.frames if frame["type"] != "STATE_SYNC"]
            assert len(set(shown)) == len(shown)
    stop.set()
    await asyncio.gather(*hammers)


@pytest.mark.parametrize("origin", ["http://[", "http://a:99999"])
async def test_a_malformed_origin_is_refused(webs, token, running, origin):
    address = f"{webs[0].ws_url}/ws?sessionId={running}&token={token}"
    with pytest.raises(InvalidStatus, match="403"):
        async with connect(address, additional_headers={"Origin": origin}):
            raise AssertionError("it was accepted")
    assert "ValueError" not in webs[0].output()
