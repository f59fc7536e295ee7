"""The store goes away and comes back with its data, under connected clients."""

from __future__ import annotations

import asyncio
import signal
from uuid import UUID

import httpx
import pytest

from synckairos import stored_state
from synckairos.engine import decide
from synckairos.engine.commands import Start
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.conftest import bearer
from tests.sockets import screen

WITHIN_S = 60.0


@pytest.fixture
def own_store(tmp_path):
    server = servers.StoreServer(tmp_path, port=servers.free_port()).start()
    yield server
    server.stop()


@pytest.fixture
def two_webs(own_store):
    both = [servers.web(REDIS_URL=own_store.url) for _ in range(2)]
    yield [web.wait_ready() for web in both]
    for web in both:
        web.stop()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_503_while_it_is_away_then_the_same_socket_gets_the_next_update(own_store, two_webs, token, game, sig):
    async with httpx.AsyncClient(base_url=two_webs[0].url, headers=bearer(token), timeout=30) as http:
        session_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
        address = f"/v1/sessions/{session_id}"
        await http.post(f"{address}/start")
        async with screen(two_webs[1], session_id, token) as viewer:
            await viewer.until("CONNECTED")
            own_store.stop(sig)
            away = await http.post(f"{address}/switch")
            assert away.status_code == 503
            assert away.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
            assert int(away.headers["Retry-After"]) >= 1
            assert (await http.get("/ready")).status_code == 503
            assert (await http.get("/health")).status_code == 200

            own_store.start()
            async with asyncio.timeout(WITHIN_S):
                while (await http.post(f"{address}/switch")).status_code != 200:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
            update = await viewer.until_version(3, within_s=WITHIN_S)
            assert update["type"] == "STATE_UPDATE"

            answer = await http.post(f"{address}/switch")
            assert (await viewer.until_version(4))["version"] == answer.json()["data"]["version"] == 4
        versions = [frame["version"] for frame in viewer.frames if "version" in frame]
        assert versions == sorted(versions)


async def test_a_message_the_layer_loses_is_made_good_by_the_position_check(webs, api, token, game):
    """The commit is written behind the layer's back: nothing is published, and the screen is right all the same."""
    created = api.post("/v1/sessions", json=game).json()["data"]
    session_id = UUID(created["session_id"])
    async with screen(webs[0], str(session_id), token) as viewer:
        await viewer.until("CONNECTED")
        client = redis_client.blocking_client()
        state = stored_state.decode_state(client.get(keys.state(session_id)))
        started = decide(state, Start(), state.updated_ms).state
        client.set(keys.state(session_id), stored_state.encode_state(started))
        frame = await viewer.until("STATE_UPDATE", within_s=WITHIN_S)
        assert frame["state"]["status"] == "running"


async def test_a_session_that_vanished_from_the_store_is_told_as_deleted(webs, api, token, game):
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        redis_client.blocking_client().flushall()
        await viewer.until("SESSION_DELETED", within_s=WITHIN_S)
        assert (await viewer.closed())[0] == 1000


async def test_a_store_that_went_back_in_time_sends_the_screens_away_to_come_back_for_the_truth(webs, api, token, game):
    """It lost commits that were shown (a power cut, a failover): no screen shows a version going back."""
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    key = keys.state(UUID(session_id))
    api.post(f"/v1/sessions/{session_id}/start")
    early = redis_client.blocking_client().get(key)
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        for _ in range(5):
            api.post(f"/v1/sessions/{session_id}/switch")
        await viewer.until_version(7)
        redis_client.blocking_client().set(key, early)
        assert (await viewer.closed())[0] == 1012
    versions = [frame["version"] for frame in viewer.frames]
    assert versions == sorted(versions)
    async with screen(webs[0], session_id, token) as again:
        assert (await again.until("CONNECTED"))["version"] == 2
        api.post(f"/v1/sessions/{session_id}/switch")
        assert (await again.until("STATE_UPDATE"))["version"] == 3
