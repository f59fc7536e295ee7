"""The store loses a session under connected clients: they come back for it, and show the truth once it is restored."""

from __future__ import annotations

import asyncio
import signal
from uuid import UUID

import httpx
import pytest
from django.core.management import call_command

from audit.drain import drain_all
from synckairos import stored_state
from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.clients.watching import Hasty, watching
from tests.conftest import bearer
from tests.restoring import in_thread
from tests.sockets import screen

pytestmark = pytest.mark.django_db(transaction=True)


async def restored(*arguments):
    await in_thread(call_command, "restore_sessions", *arguments)


@pytest.fixture
def session_id(api, game):
    """A running session of alice whose history is in the audit."""
    made = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{made}/start")
    api.post(f"/v1/sessions/{made}/switch")
    drain_all()
    return made


def lose():
    redis_client.blocking_client().flushall()


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(UUID(session_id))))


async def test_a_screen_shows_the_restored_session_without_a_restart(webs, api, token, session_id):
    async with watching(webs[0].url, session_id, token, rng=Hasty()) as watcher:
        before = await watcher.until(lambda update: update.is_connected and update.state)
        lose()
        await watcher.until(lambda update: not update.is_connected)
        await restored()
        back = await watcher.until(lambda update: update.is_connected and update.state["version"] > 3)
        assert back.state["epoch"] != before.state["epoch"]
        assert back.state["version"] == 4
        assert back.state["cycle_started_at"] == before.state["cycle_started_at"]
        assert back.state["deadline_at"] == before.state["deadline_at"]
        switched = await watcher.screen.switch()
        assert switched["version"] == 5
        await watcher.until(lambda update: update.state["version"] == 5)


async def test_a_screen_that_never_noticed_the_loss_is_told_of_the_restoration(webs, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        state = stored(session_id)
        webs[0].process.send_signal(signal.SIGSTOP)  # it looks every second whether it has missed something
        redis_client.blocking_client().delete(keys.state(state.session_id))
        await restored("--running", "pause")
        webs[0].process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            while (frame := await viewer.receive())["type"] != "STATE_UPDATE":
                pass
        assert [event["type"] for event in frame["events"]][:1] == ["session.restored"]
        assert frame["events"][0]["parent_epoch"] == state.epoch
        assert (frame["since_version"], frame["state"]["status"]) == (3, "paused")


async def test_sockets_of_a_lost_session_are_sent_away_to_come_back(webs, token, session_id):
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        lose()
        code, reason = await viewer.closed()
        assert (code, reason.split(";")[0]) == (1012, "State lost")
    async with screen(webs[1], session_id, token) as again:
        assert await again.closed() == (4430, "SERVICE_UNAVAILABLE")


async def test_polls_and_streams_of_a_lost_session_are_told_to_ask_again(webs, token, session_id):
    lose()
    async with httpx.AsyncClient(base_url=webs[0].url, headers=bearer(token), timeout=30) as http:
        for path in ("poll", "stream"):
            answer = await http.get(f"/v1/sessions/{session_id}/{path}")
            assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"reason": "session_lost"})
        answer = await http.get(f"/v1/sessions/{session_id}/stream", headers={"Last-Event-ID": "3:abcdefgh"})
        assert answer.status_code == 503


async def test_a_stranger_does_not_learn_that_a_session_is_lost(webs, session_id):
    lose()
    async with screen(webs[0], session_id, mint("mallory", is_staff=False)) as viewer:
        assert (await viewer.until("CONNECTED"))["state"] is None


async def test_a_session_that_was_deleted_is_told_as_deleted(webs, api, token, session_id):
    """Nobody hears of the deletion, and the position check learns of it from the audit."""
    client, key = redis_client.blocking_client(), keys.state(UUID(session_id))
    data = client.get(key)
    api.delete(f"/v1/sessions/{session_id}")
    await in_thread(drain_all)
    client.set(key, data)
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        client.delete(key)
        await viewer.until("SESSION_DELETED")
        assert (await viewer.closed())[0] == 1000
    async with screen(webs[0], session_id, token) as again:
        assert (await again.until("CONNECTED"))["state"] is None


async def test_session_tokens_are_good_for_the_restored_session(webs, api, game, session_id):
    player = game["participants"][1]["participant_id"]
    granted = api.post(f"/v1/sessions/{session_id}/tokens", json={"role": "participant", "participant_id": player})
    token = granted.json()["data"]["token"]
    await in_thread(drain_all)
    async with watching(webs[0].url, session_id, token, rng=Hasty()) as watcher:
        await watcher.until(lambda update: update.is_connected and update.state)
        lose()
        await watcher.until(lambda update: not update.is_connected)
        await restored()
        await watcher.until(lambda update: update.is_connected and update.state["version"] == 5)
        assert (await watcher.screen.switch())["version"] == 6


async def test_a_store_that_went_back_is_restored_under_its_screens(webs, api, token, session_id):
    early = redis_client.blocking_client().get(keys.state(UUID(session_id)))
    async with watching(webs[0].url, session_id, token, rng=Hasty()) as watcher:
        for _ in range(3):
            api.post(f"/v1/sessions/{session_id}/switch")
        await watcher.until_version(6)
        await in_thread(drain_all)
        redis_client.blocking_client().set(keys.state(UUID(session_id)), early)
        await watcher.until(lambda update: not update.is_connected)
        await restored()
        await watcher.until(lambda update: update.is_connected and update.state["version"] == 7)
        api.post(f"/v1/sessions/{session_id}/switch")
        assert (await watcher.until_version(8)).state["cycle_number"] == 5
