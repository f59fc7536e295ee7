"""Who is connected: told to every screen of every process, coalesced, and not of processes that have died."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import httpx
import pytest

from sessions.store.presence_records import NO_CLIENTS, write_client_counts
from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking
from tests import servers
from tests.conftest import bearer
from tests.sockets import WITHIN_S, screen

ADA, GRACE = sorted(str(uuid4()) for _ in range(2))


@pytest.fixture
def session_id(api):
    """Ada is a participant by her user_id, Grace by her id."""
    participants = [
        {"participant_id": ADA, "total_time_ms": 60_000, "user_id": "ada"},
        {"participant_id": GRACE, "total_time_ms": 60_000},
    ]
    body = {"sync_mode": "per_participant", "participants": participants, "visibility": "public"}
    return api.post("/v1/sessions", json=body).json()["data"]["session_id"]


def as_(name: str) -> str:
    return mint(name, is_staff=False)


def presence(api, session_id):
    return api.get(f"/v1/sessions/{session_id}/presence").json()["data"]


async def test_every_screen_of_every_process_is_told_who_comes_and_goes(webs, session_id, token):
    async with screen(webs[1], session_id, token) as hall:
        await hall.until("CONNECTED")
        async with screen(webs[0], session_id, as_("ada")) as ada:
            assert (await hall.until("PRESENCE"))["connected"] == [ADA]
            assert (await ada.until("PRESENCE"))["connected"] == [ADA]
            async with screen(webs[1], session_id, as_(GRACE)):
                assert (await hall.until("PRESENCE"))["connected"] == [ADA, GRACE]
                assert (await ada.until("PRESENCE"))["connected"] == [ADA, GRACE]
            for viewer in (hall, ada):
                assert (await viewer.until("PRESENCE"))["connected"] == [ADA]
        assert (await hall.until("PRESENCE"))["connected"] == []


async def test_who_comes_later_is_told_at_once_who_is_there(webs, session_id, token):
    async with screen(webs[0], session_id, as_("ada")) as ada:
        await ada.until("PRESENCE", connected=[ADA])
        for web in webs:
            async with screen(web, session_id, token) as late:
                assert (await late.until("PRESENCE"))["connected"] == [ADA]


async def test_a_second_screen_of_the_same_participant_changes_nothing_for_the_others(webs, session_id, token):
    async with screen(webs[0], session_id, token) as hall, screen(webs[0], session_id, as_("ada")):
        await hall.until("PRESENCE", connected=[ADA])
        async with screen(webs[1], session_id, as_("ada")) as phone:
            await phone.until("PRESENCE", connected=[ADA])
        async with screen(webs[1], session_id, as_(GRACE)) as grace:
            await grace.until("PRESENCE", connected=[ADA, GRACE])
            assert (await hall.until("PRESENCE"))["connected"] == [ADA, GRACE]
        told = [frame["connected"] for frame in hall.frames if frame["type"] == "PRESENCE"]
        assert told == [[ADA], [ADA, GRACE]]


async def test_a_crowd_that_comes_at_once_is_told_in_few_frames(webs, api, token):
    names = [str(uuid4()) for _ in range(40)]
    body = {
        "sync_mode": "per_participant",
        "participants": [{"participant_id": name, "total_time_ms": 60_000} for name in names],
    }
    session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
    async with screen(webs[0], session_id, token) as hall, AsyncExitStack() as crowd:
        await hall.until("CONNECTED")
        opened = (crowd.enter_async_context(screen(webs[n % 2], session_id, as_(name))) for n, name in enumerate(names))
        await asyncio.gather(*opened)
        while (await hall.until("PRESENCE"))["connected"] != sorted(names):
            pass
        assert len([frame for frame in hall.frames if frame["type"] == "PRESENCE"]) <= 8


async def test_presence_over_rest_counts_participants_and_viewers_of_all_processes(
    webs, api, other_api, session_id, token
):
    async with AsyncExitStack() as open_sockets:
        for web, name in ((webs[0], "ada"), (webs[1], "ada"), (webs[1], "bob"), (webs[0], "eve"), (webs[0], "eve")):
            viewer = await open_sockets.enter_async_context(screen(web, session_id, as_(name)))
            await viewer.until("CONNECTED")
        wanted = {
            "session_id": session_id,
            "connected": [ADA],
            "participants": [{"participant_id": ADA, "sockets": 2}],
            "viewers": 3,
        }
        for client in (api, other_api):
            await asyncio.to_thread(
                servers.wait_until, lambda client=client: presence(client, session_id) == wanted, 30, f"{wanted}"
            )
    await asyncio.to_thread(servers.wait_until, lambda: nobody(presence(api, session_id)), 30, "nobody is there")


def nobody(shown):
    return shown["viewers"] == 0 and shown["connected"] == []


def test_presence_of_a_session_that_does_not_exist_is_404(api):
    answer = api.get(f"/v1/sessions/{uuid4()}/presence")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SESSION_NOT_FOUND")
    assert api.get("/v1/sessions/nonsense/presence").status_code == 400


async def test_a_participant_added_while_already_watching_is_seen_as_connected(webs, api, session_id):
    async with screen(webs[1], session_id, as_("linus")) as linus:
        await linus.until("CONNECTED")
        new = {"participant_id": str(uuid4()), "total_time_ms": 60_000, "user_id": "linus"}
        api.post(f"/v1/sessions/{session_id}/participants", json=new)
        assert (await linus.until("PRESENCE"))["connected"] == [new["participant_id"]]


async def test_a_stream_counts_as_connected(webs, session_id, token):
    async with screen(webs[1], session_id, token) as hall:
        await hall.until("CONNECTED")
        http = httpx.AsyncClient(base_url=webs[0].url, headers=bearer(as_("ada")), verify=False)
        async with http, http.stream("GET", f"/v1/sessions/{session_id}/stream"):
            assert (await hall.until("PRESENCE"))["connected"] == [ADA]
        assert (await hall.until("PRESENCE"))["connected"] == []


async def test_clients_of_a_process_that_dies_are_forgotten(webs, session_id, token):
    doomed = servers.web().wait_ready()
    async with screen(webs[0], session_id, token) as hall, screen(doomed, session_id, as_("ada")) as ada:
        await ada.until("PRESENCE", connected=[ADA])
        await hall.until("PRESENCE", connected=[ADA])
        doomed.stop(signal.SIGKILL)
        assert (await hall.until("PRESENCE", within_s=30))["connected"] == []


async def test_presence_that_the_store_has_lost_is_told_again(webs, session_id):
    async with screen(webs[0], session_id, as_("ada")) as ada:
        await ada.until("PRESENCE", connected=[ADA])
        redis_client.blocking_client().delete(keys.presence(UUID(session_id)))
        async with screen(webs[1], session_id, as_(GRACE)) as grace:
            await grace.until("PRESENCE", connected=[ADA, GRACE])
            assert (await ada.until("PRESENCE"))["connected"] == [ADA, GRACE]  # a process knows its own all the time


async def test_a_process_that_was_taken_for_dead_tells_at_once_that_its_clients_are_there(webs, session_id, token):
    async with screen(webs[1], session_id, token) as hall, screen(webs[0], session_id, as_("ada")):
        await hall.until("PRESENCE", connected=[ADA])
        for process in redis_client.blocking_client().hkeys(keys.presence(UUID(session_id))):
            send_blocking(write_client_counts(UUID(session_id), process.decode(), NO_CLIENTS, is_news=True))
        # Nobody needs to have seen the empty list: a process may report again before another one has read it.
        with httpx.Client(base_url=webs[1].url, headers=bearer(token)) as api:

            def is_told() -> bool:
                return bool(api.get(f"/v1/sessions/{session_id}/presence").json()["data"]["connected"] == [ADA])

            await asyncio.to_thread(servers.wait_until, is_told, WITHIN_S, "the process tells again")


async def test_after_a_reload_the_page_is_told_at_once_who_is_there(webs, session_id):
    for _ in range(2):
        async with screen(webs[0], session_id, as_("ada")) as ada:
            assert (await ada.until("PRESENCE", within_s=30))["connected"] == [ADA]


async def test_who_leaves_while_the_store_is_away_is_not_there_afterwards(tmp_path):
    store = servers.StoreServer(tmp_path, port=servers.free_port()).start()
    web = servers.web(REDIS_URL=store.url).wait_ready()
    seats = [{"participant_id": name, "total_time_ms": 60_000} for name in (ADA, GRACE)]
    body = {"sync_mode": "per_participant", "participants": seats}
    headers = bearer(as_("hall"))
    async with httpx.AsyncClient(base_url=web.url, headers=headers, timeout=30, verify=False) as http:
        session_id = (await http.post("/v1/sessions", json=body)).json()["data"]["session_id"]
        async with screen(web, session_id, as_("hall")) as hall:
            async with screen(web, session_id, as_(ADA)) as ada:
                await ada.until("PRESENCE", connected=[ADA])
                await hall.until("PRESENCE", connected=[ADA])
                await asyncio.to_thread(store.stop, signal.SIGKILL)
            await asyncio.to_thread(store.start)
            assert (await hall.until("PRESENCE", within_s=30))["connected"] == []
        answer = (await http.get(f"/v1/sessions/{session_id}/presence")).json()["data"]
        assert answer["connected"] == []
    web.stop()
    store.stop()
