"""One live session on a screen, on real web processes."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from synckairos.auth.principal import mint
from synckairos_client import ApiError, Ended, Refused, Unreachable, connect
from tests import servers
from tests.clients.relay import relay_to
from tests.clients.watching import eventually, watching


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


async def test_what_happens_is_shown_at_once_and_delivered_once_whichever_process_does_it(
    webs, api, other_api, token, session_id
):
    async with watching(webs[0].url, session_id, token) as one, watching(webs[1].ws_url, session_id, token) as other:
        for client, verb in ((api, "start"), (other_api, "switch"), (api, "pause"), (other_api, "complete")):
            client.post(f"/v1/sessions/{session_id}/{verb}")
        for watcher in (one, other):
            await watcher.until_version(5)
            assert watcher.shown == sorted(watcher.shown)
            assert watcher.delivered == [2, 3, 4, 5]
            assert {event["epoch"] for event in watcher.events} == {watcher.screen.epoch}
            assert [update.is_new_session for update in watcher.updates].count(True) == 0
            assert watcher.screen.version == 5
            assert watcher.screen.state["status"] == "completed"


async def test_a_session_that_does_not_exist_yet_is_shown_from_its_first_event(webs, api, token, game):
    game["session_id"] = str(uuid4())
    async with watching(webs[0].url, game["session_id"], token) as watcher:
        assert watcher.screen.state is None
        assert watcher.screen.remaining_ms() is None
        api.post("/v1/sessions", json=game)
        update = await watcher.until_version(1)
        assert update.is_new_session
        assert [event["type"] for event in watcher.events] == ["session.created"]


async def test_a_whole_game_is_commanded_over_the_socket(webs, token, session_id, game):
    first, second = (seat["participant_id"] for seat in game["participants"])
    async with connect(webs[0].url, session_id, token) as screen:
        assert (await screen.start(expected_version=1))["status"] == "running"
        answer = await screen.switch(current_participant_id=first, next_participant_id=second)
        assert answer["active_participant_id"] == second
        assert (await screen.pause())["status"] == "paused"
        assert (await screen.resume())["version"] == 5
        with pytest.raises(ApiError) as refused:
            await screen.switch(current_participant_id=first)
        assert refused.value.code == "CONFLICT"
        assert refused.value.details == {"active_participant_id": second}
        assert (await screen.complete())["status"] == "completed"
        with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION"):
            await screen.cancel()


async def test_a_device_whose_clock_is_wrong_shows_the_right_time(webs, api, token, session_id, game):
    wrong_by_ms = 4_321_000.0
    active = game["participants"][0]["participant_id"]

    stopped_at_ms: list[float] = []

    def device_ms() -> float:
        return stopped_at_ms[0] if stopped_at_ms else time.time() * 1000 + wrong_by_ms

    async with watching(webs[0].url, session_id, token, device_ms=device_ms) as watcher:
        screen = watcher.screen
        api.post(f"/v1/sessions/{session_id}/start")
        await watcher.until_version(2)
        await eventually(lambda: screen.error_ms <= 100)
        slack_ms = screen.error_ms + 100  # web processes know the store's clock to a few ms, slow ones to more
        assert abs(screen.offset_ms + wrong_by_ms) < slack_ms
        before = screen.remaining_ms(active)
        seen = api.get(f"/v1/sessions/{session_id}").json()["data"]["participants"][0]["time_remaining_ms"]
        after = screen.remaining_ms(active)
        assert after - slack_ms <= seen <= before + slack_ms
        assert screen.remaining_ms(game["participants"][1]["participant_id"]) == 60_000
        stopped_at_ms.append(device_ms())
        assert screen.remaining_ms() + screen.elapsed_ms() == pytest.approx(60_000, abs=1)
        assert screen.overtime_ms() == 0


async def test_who_is_connected_is_shown(webs, api, game):
    first, second = (seat["participant_id"] for seat in game["participants"])
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    tokens = [mint(seat, is_staff=False) for seat in (first, second)]
    async with watching(webs[0].url, session_id, tokens[0]) as watcher:
        await watcher.until(lambda update: update.presence == (first,))
        async with connect(webs[1].url, session_id, tokens[1]):
            await watcher.until(lambda update: set(update.presence) == {first, second})
        await watcher.until(lambda update: update.presence == (first,))
        assert watcher.screen.presence == (first,)


async def test_sub_protocols_carry_the_token_for_those_who_have_no_headers(webs, token, session_id):
    async with connect(webs[0].url, session_id, token, credentials="subprotocol", heartbeat_s=30) as screen:
        assert screen.version == 1


async def test_a_slow_application_gets_the_newest_state_at_once_and_is_delivered_that_events_are_lost(
    webs, token, session_id
):
    async with connect(webs[0].url, session_id, token, max_waiting_events=10) as screen:
        slow = screen.updates()
        await screen.start()
        for _ in range(20):
            await screen.switch()
        await eventually(lambda: screen.version == 22)
        update = await anext(slow)
        assert update.state["version"] == 22
        assert update.dropped
        assert [event["version"] for event in update.events] == list(range(13, 23))


async def test_a_deleted_session_ends_the_iteration_and_takes_no_commands(webs, api, token, session_id):
    async with watching(webs[0].url, session_id, token) as watcher:
        assert api.delete(f"/v1/sessions/{session_id}").status_code == 204
        await watcher.to_the_end()
        assert watcher.screen.is_deleted
        assert not watcher.screen.is_connected
        with pytest.raises(Ended, match="deleted"):
            await watcher.screen.switch()
        assert [update async for update in watcher.screen.updates()][-1].state["version"] == 1


async def test_a_closed_screen_ends_its_iterators_and_the_commands_that_wait(webs, token, session_id):
    screen = connect(webs[0].url, session_id, token)
    async with screen:
        updates = screen.updates()
    assert [update async for update in updates]
    assert not screen.is_deleted
    with pytest.raises(Ended, match="closed"):
        await screen.start()


@pytest.mark.parametrize("bad", ["nonsense", mint("alice", is_staff=False, lifetime=timedelta(seconds=-5))])
async def test_a_bad_token_is_refused_and_not_tried_again(webs, session_id, bad):
    with pytest.raises(Refused) as refused:
        async with connect(webs[0].url, session_id, bad):
            pass
    assert refused.value.code == 4501


async def test_a_bad_address_is_refused(webs, token):
    with pytest.raises(Refused, match="1008"):
        async with connect(webs[0].url, "no-uuid", token):
            pass
    with pytest.raises(ValueError, match="not a base address"):
        connect("clock.example.com", str(uuid4()), token)


async def test_a_server_that_is_not_there_is_waited_for_in_vain_but_not_for_ever(token):
    with pytest.raises(Unreachable) as late:
        async with connect(f"http://127.0.0.1:{servers.free_port()}", str(uuid4()), token, open_timeout_s=0.3):
            pass
    assert isinstance(late.value.__cause__, OSError)


@pytest.fixture
def renews_soon(monkeypatch):
    """TokenSource are renewed 200 ms after they were given."""
    monkeypatch.setattr("synckairos_client.tokens._renew_at_s", lambda _token, now_s: now_s + 0.2)


async def test_fresh_credentials_are_brought_ahead_of_time_on_the_open_connection(webs, token, session_id, renews_soon):
    async def provider() -> str:
        given.append(1)
        return token

    given: list[int] = []
    async with relay_to(webs[0]) as relay, connect(relay.url, session_id, provider) as screen:
        await eventually(lambda: len(given) > 2)
        assert (await screen.start())["status"] == "running"
        assert "AUTH" in [frame["type"] for frame in relay.sent]
        assert relay.opened == 1


async def test_credentials_that_end_by_surprise_are_replaced_on_the_open_connection(
    clocked_web, session_id, monkeypatch
):
    web, clock = clocked_web

    async def provider() -> str:
        given.append(1)
        return mint("alice", is_staff=False, lifetime=timedelta(hours=len(given)))

    given: list[int] = []
    monkeypatch.setattr("synckairos_client.tokens._renew_at_s", lambda _token, _now_s: None)
    async with relay_to(web) as relay, connect(relay.url, session_id, provider) as screen:
        clock.advance(3_600)
        await eventually(lambda: len(given) == 2)
        assert (await screen.start())["status"] == "running"
        assert [frame["type"] for frame in relay.sent].count("AUTH") == 1
        assert relay.opened == 1


async def test_tokens_are_not_logged(webs, session_id, caplog, renews_soon):
    async def provider() -> str:
        tokens.append(mint("alice", is_staff=False, lifetime=timedelta(seconds=600 + len(tokens))))
        return tokens[-1]

    tokens: list[str] = []
    caplog.set_level(logging.DEBUG)
    async with connect(webs[0].url, session_id, provider) as screen:
        await eventually(lambda: len(tokens) > 2)
        await screen.start()
    assert not [token for token in tokens if token in caplog.text]
