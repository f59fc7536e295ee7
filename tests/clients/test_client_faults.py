"""A screen on a bad network, in front of servers that restart: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from uuid import UUID

import pytest

from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos_client import CommandTimeout, Ended, Refused, connect
from tests import servers
from tests.clients.relay import no_frame, relay_to
from tests.clients.watching import WITHIN_S, Hasty, eventually, watching
from tests.loops import let_time_pass


@pytest.fixture
def session_id(api, game):
    made = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{made}/start")
    return made


@pytest.fixture
async def relay(webs):
    async with relay_to(webs[0]) as relay:
        yield relay


def switch(api, session_id, times=1):
    for _ in range(times):
        assert api.post(f"/v1/sessions/{session_id}/switch").status_code == 200


def asked(relay):
    return [frame["last_version"] for frame in relay.sent if frame["type"] == "RECONNECT"]


async def test_events_of_lost_frames_are_delivered_in_their_place(relay, api, token, session_id):
    relay.loses = lambda frame: frame["type"] == "STATE_UPDATE" and frame["version"] in {4, 5, 8}
    async with watching(relay.url, session_id, token) as watcher:
        for version in range(3, 10):
            switch(api, session_id)
            if version not in {4, 5, 8}:
                await watcher.until_version(version)
        assert watcher.delivered == list(range(3, 10))
        assert [frame["version"] for frame in relay.lost] == [4, 5, 8]
        assert asked(relay) == [3, 7]
        assert not watcher.has_lost


async def test_events_of_a_broken_connection_are_delivered_after_it(relay, api, token, session_id):
    async with watching(relay.url, session_id, token) as watcher:
        switch(api, session_id)
        await watcher.until_version(3)
        relay.refusal = HTTPStatus.SERVICE_UNAVAILABLE
        relay.cut_all()
        await watcher.until(lambda update: not update.is_connected)
        switch(api, session_id, 5)
        relay.refusal = None
        await watcher.until_version(8)
        assert watcher.delivered == list(range(3, 9))
        assert watcher.shown == sorted(watcher.shown)
        assert not watcher.has_lost


async def test_more_events_than_the_server_keeps_are_said_to_be_missing(relay, api, token, session_id):
    relay.loses = lambda frame: frame["type"] == "STATE_UPDATE" and frame["version"] < 30
    async with watching(relay.url, session_id, token) as watcher:
        switch(api, session_id, 28)
        await watcher.until(lambda update: update.resynced)
        switch(api, session_id)
        await watcher.until_version(31)
        assert watcher.screen.version == 31
        assert watcher.delivered == [31]


async def test_a_command_whose_answer_is_lost_is_applied_once(relay, api, token, session_id):
    async with connect(relay.url, session_id, token, rng=Hasty()) as screen:
        for version in range(3, 6):
            relay.cuts_at = lambda frame: frame["type"] in {"ACK", "STATE_UPDATE"}
            assert (await screen.switch())["version"] == version
    switches = [frame["id"] for frame in relay.sent if frame["type"] == "SWITCH"]
    assert len(switches) == 6
    assert len(set(switches)) == 3
    final = api.get(f"/v1/sessions/{session_id}").json()["data"]
    assert (final["version"], final["cycle_number"]) == (5, 3)


async def test_a_command_given_while_the_connection_is_away_waits_for_it(relay, token, session_id):
    async with watching(relay.url, session_id, token) as watcher:
        relay.refusal = HTTPStatus.BAD_GATEWAY
        relay.cut_all()
        await watcher.until(lambda update: not update.is_connected)
        switching = asyncio.create_task(watcher.screen.switch())
        await asyncio.sleep(0)
        relay.refusal = None
        assert (await switching)["version"] == 3


async def test_a_command_that_the_server_cannot_serve_now_is_given_again_with_its_id(relay, api, token, session_id):
    def away(frame):
        if frame["type"] != "ACK" or len(switches()) > 2:
            return frame
        return {"type": "ERROR", "id": frame["id"], "code": "SERVICE_UNAVAILABLE", "retry_after_seconds": 0.01}

    def switches():
        return [frame["id"] for frame in relay.sent if frame["type"] == "SWITCH"]

    relay.edits = away
    async with connect(relay.url, session_id, token) as screen:
        assert (await screen.switch())["version"] == 3
    assert len(switches()) == 3
    assert len(set(switches())) == 1


async def test_a_command_without_an_answer_ends_in_time_with_its_id(relay, token, session_id):
    relay.loses = lambda frame: frame["type"] == "ACK"
    async with connect(relay.url, session_id, token) as screen:
        switching = asyncio.create_task(screen.switch(timeout_s=600))
        await eventually(lambda: relay.lost)
        let_time_pass(600)
        with pytest.raises(CommandTimeout) as late:
            await switching
    assert [late.value.command_id] == [frame["id"] for frame in relay.sent if frame["type"] == "SWITCH"]


async def test_a_restart_says_when_to_come_back(relay, token, session_id):
    async with watching(relay.url, session_id, token) as watcher:
        ended_s = time.monotonic()
        await relay.end_all(1012, "Server restarting; retry_ms=400")
        await watcher.until(lambda update: not update.is_connected)
        await watcher.until(lambda update: update.is_connected)
        assert time.monotonic() - ended_s >= 0.4


async def test_a_screen_comes_back_to_a_server_that_restarts(api, token, session_id):
    own = servers.web()
    await asyncio.to_thread(own.wait_ready)
    try:
        async with watching(own.url, session_id, token, rng=Hasty()) as watcher:
            switch(api, session_id)
            await watcher.until_version(3)
            stopping = asyncio.create_task(asyncio.to_thread(own.stop))
            await watcher.until(lambda update: not update.is_connected)
            await stopping
            switch(api, session_id, 3)
            waiting = asyncio.create_task(watcher.screen.switch(timeout_s=90))
            own = servers.web(own.port)
            assert (await waiting)["version"] == 7
            await watcher.until_version(7)
            assert watcher.delivered == [3, 4, 5, 6, 7]
            assert not watcher.has_lost
    finally:
        own.stop()


async def test_a_session_made_anew_under_its_id_replaces_the_old_one(relay, api, token, session_id, game):
    async with watching(relay.url, session_id, token) as watcher:
        before = watcher.screen.epoch
        switch(api, session_id)
        await watcher.until_version(3)
        relay.refusal = HTTPStatus.SERVICE_UNAVAILABLE
        relay.cut_all()
        await watcher.until(lambda update: not update.is_connected)
        api.delete(f"/v1/sessions/{session_id}")
        assert api.post("/v1/sessions", json={**game, "session_id": session_id}).status_code == 201
        relay.refusal = None
        update = await watcher.until(lambda update: update.is_new_session)
        assert update.state["version"] == 1
        assert watcher.screen.epoch != before


async def test_a_session_deleted_while_the_connection_was_away_ends_the_screen(relay, api, token, session_id):
    async with watching(relay.url, session_id, token) as watcher:
        relay.refusal = HTTPStatus.SERVICE_UNAVAILABLE
        relay.cut_all()
        await watcher.until(lambda update: not update.is_connected)
        waiting = asyncio.create_task(watcher.screen.switch())
        api.delete(f"/v1/sessions/{session_id}")
        relay.refusal = None
        await watcher.to_the_end()
        assert watcher.screen.is_deleted
        with pytest.raises(Ended):
            await waiting


async def test_what_the_store_has_lost_is_taken_back_and_said_so(webs, api, token, session_id):
    key = keys.state(UUID(session_id))
    early = redis_client.blocking_client().get(key)
    async with watching(webs[0].url, session_id, token) as watcher:
        switch(api, session_id, 4)
        await watcher.until_version(6)
        redis_client.blocking_client().set(key, early)
        update = await watcher.until(lambda update: update.resynced)
        assert update.state["version"] == 2
        switch(api, session_id)
        await watcher.until(lambda update: update.state["version"] == 3)
        assert watcher.delivered[-1] == 3


async def test_expired_credentials_are_replaced_by_the_provider_and_end_a_screen_without_one(relay, token, session_id):
    async def provider() -> str:
        given.append(1)
        return token

    given: list[int] = []
    async with watching(relay.url, session_id, provider) as watcher:
        await relay.end_all(4401, "Credentials expired")
        await watcher.until(lambda update: not update.is_connected)
        await watcher.until(lambda update: update.is_connected)
        assert len(given) == 2
    async with watching(relay.url, session_id, token) as watcher:
        await relay.end_all(4401, "Credentials expired")
        with pytest.raises(Refused, match="4401"):
            await watcher.to_the_end()
        with pytest.raises(Refused):
            await watcher.screen.switch()


async def test_a_provider_in_trouble_is_asked_again(relay, token, session_id):
    async def provider() -> str:
        given.append(1)
        if len(given) == 2:
            raise ConnectionRefusedError
        return token

    given: list[int] = []
    async with watching(relay.url, session_id, provider) as watcher:
        await relay.end_all(4401, "Credentials expired")
        await watcher.until(lambda update: not update.is_connected)
        await watcher.until(lambda update: update.is_connected)
        assert len(given) == 3


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN])
async def test_a_refused_handshake_is_final(relay, token, session_id, status):
    relay.refusal = status
    with pytest.raises(Refused, match=str(status.value)):
        async with connect(relay.url, session_id, token):
            pass
    assert relay.opened == 0


async def test_a_connection_that_is_silent_is_given_up(relay, token, session_id, monkeypatch):
    monkeypatch.setattr("synckairos_client.live_session._DEAD_AFTER_S", 0.2)
    monkeypatch.setattr("synckairos_client.live_session.PING_INTERVAL_S", 0.1)
    async with watching(relay.url, session_id, token) as watcher:
        relay.loses = lambda frame: frame["type"] == "PONG"
        await watcher.until(lambda update: not update.is_connected)
        relay.loses = no_frame
        await watcher.until(lambda update: update.is_connected, WITHIN_S)
        assert relay.opened >= 2
