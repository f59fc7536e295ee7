"""A screen whose connections show tickets, so that no token is in an address."""

from __future__ import annotations

import asyncio
import logging
import re

import httpx
import pytest

from synckairos_client import Api, Refused, connect
from synckairos_client.connection import Endpoint
from tests import servers
from tests.clients.watching import Hasty, watching


@pytest.fixture
def session_id(api, game):
    made = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{made}/start")
    return made


def sold(web):
    """How many tickets this process has sold."""
    text = httpx.get(f"{web.url}/metrics", verify=False).text
    found = re.search(r'requests_total\{method="POST",route="/v1/ws-tickets",status="201"\} (\S+)', text)
    return 0 if found is None else int(float(found[1]))


async def test_a_screen_buys_a_ticket_for_each_connection(api, token, session_id):
    own = servers.web()
    await asyncio.to_thread(own.wait_ready)
    try:
        async with watching(own.ws_url, session_id, token, credentials="ticket", rng=Hasty()) as watcher:
            assert (await watcher.screen.switch())["version"] == 3
            assert await asyncio.to_thread(sold, own) == 1
            stopping = asyncio.create_task(asyncio.to_thread(own.stop))
            await watcher.until(lambda update: not update.is_connected)
            await stopping
            assert api.post(f"/v1/sessions/{session_id}/switch").status_code == 200
            own = servers.web(own.port)
            await watcher.until(lambda update: update.is_connected, 30)
            await watcher.until_version(4)
            assert watcher.delivered == [3, 4]
            assert await asyncio.to_thread(sold, own) == 1
    finally:
        own.stop()


async def test_a_ticket_that_is_no_good_is_replaced_by_another(webs, token, session_id, monkeypatch):
    async def buy(address, tokens):
        bought.append(await honest(address, tokens))
        return "x" * 43 if len(bought) < 3 else bought[-1]

    bought, honest = [], Endpoint.ticket
    monkeypatch.setattr(Endpoint, "ticket", buy)
    async with connect(webs[0].url, session_id, token, credentials="ticket", rng=Hasty()) as screen:
        assert screen.version == 2
    assert len(set(bought)) == 3


async def test_tickets_are_not_logged(webs, token, session_id, monkeypatch, caplog):
    async def buy(address, tokens):
        bought.append(await honest(address, tokens))
        return bought[-1]

    bought, honest = [], Endpoint.ticket
    monkeypatch.setattr(Endpoint, "ticket", buy)
    caplog.set_level(logging.DEBUG)
    async with connect(webs[0].url, session_id, token, credentials="ticket") as screen:
        await screen.switch()
    assert caplog.text
    for secret in (*bought, token):
        assert secret not in caplog.text


async def test_a_token_that_is_no_good_buys_nothing_and_is_not_tried_again(webs, session_id):
    with pytest.raises(Refused, match="401"):
        async with connect(webs[0].url, session_id, "bad.bad.bad", credentials="ticket"):
            pass


async def test_a_token_that_has_ended_is_replaced_by_the_provider_before_a_ticket_is_bought(webs, token, session_id):
    async def provider():
        return given.pop()

    given = [token, "bad.bad.bad"]
    async with connect(webs[0].url, session_id, provider, credentials="ticket") as screen:
        assert screen.version == 2
    assert not given


async def test_a_ticket_is_bought_over_rest_for_whoever_connects_by_other_means(webs, token, session_id):
    async with Api(webs[0].url, token) as rest:
        ticket = await rest.ticket(session_id)
    address = f"{webs[0].url}/v1/sessions/{session_id}/stream?ticket={ticket['ticket']}"
    async with httpx.AsyncClient(verify=False) as http, http.stream("GET", address) as answer:
        assert answer.status_code == 200


def test_where_tickets_are_sold_follows_from_the_base_address():
    for base, rest in (("wss://a/x/", "https://a/x/"), ("ws://a:1", "http://a:1"), ("https://a", "https://a")):
        assert Endpoint.of(base, "s", None, "ticket").rest_url == rest
