"""Limits to opening sockets and streams, and what the doors in front of Django say of theirs."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from synckairos.auth.principal import mint
from tests import servers
from tests.conftest import bearer
from tests.sockets import screen


@pytest.fixture
def strict():
    """A web process that lets each person connect twice an hour, and ask ten times."""
    web = servers.web(RATE_LIMIT_CONNECT="2/h", RATE_LIMIT_GENERAL="10/h")
    yield web.wait_ready()
    assert web.stop() == 0
    assert "Traceback" not in web.output()


async def opened(web, token):
    """Open a stream, read its head, and leave."""
    async with (
        httpx.AsyncClient(base_url=web.url, headers=bearer(token), verify=False) as http,
        http.stream("GET", f"/v1/sessions/{uuid4()}/stream") as answer,
    ):
        return answer.status_code, answer.headers


async def test_a_person_opens_so_many_sockets_and_streams_and_no_more(strict, token):
    async with screen(strict, str(uuid4()), token) as first:
        await first.until("CONNECTED")
    status, headers = await opened(strict, token)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert headers["ratelimit-policy"] == '"general";q=10;w=3600, "connect";q=2;w=3600'
    async with screen(strict, str(uuid4()), token) as third:
        assert await third.closed() == (4429, "RATE_LIMIT_EXCEEDED")
    status, headers = await opened(strict, token)
    assert status == 429
    assert headers["ratelimit"].endswith(f'"connect";r=0;t={headers["retry-after"]}')
    assert 1790 <= int(headers["retry-after"]) <= 1800
    async with screen(strict, str(uuid4()), mint("bob", is_staff=False)) as other:
        await other.until("CONNECTED")


async def test_a_service_account_connects_as_often_as_it_likes(strict):
    for _ in range(4):
        async with screen(strict, str(uuid4()), mint("games", is_staff=False, is_service=True)) as one:
            await one.until("CONNECTED")


async def test_a_poll_counts_as_a_request_only(strict, token):
    async with httpx.AsyncClient(base_url=strict.url, headers=bearer(token), verify=False) as http:
        for left in (9, 8, 7):
            answer = await http.get(f"/v1/sessions/{uuid4()}/poll")
            assert (answer.status_code, answer.headers["ratelimit-policy"]) == (404, '"general";q=10;w=3600')
            assert f'"general";r={left};' in answer.headers["ratelimit"]


async def test_strangers_are_limited_by_address(strict, token):
    async with httpx.AsyncClient(base_url=strict.url, verify=False) as http:
        for _ in range(5):
            answer = await http.get(f"/v1/sessions/{uuid4()}/poll")
            assert (answer.status_code, answer.headers["ratelimit-policy"]) == (401, '"anonymous";q=10;w=3600')
        for _ in range(5):
            async with connect(f"{strict.ws_url}/ws?sessionId={uuid4()}&token=garbage") as stranger:
                await stranger.wait_closed()
                assert (stranger.close_code, stranger.close_reason) == (4501, "UNAUTHENTICATED")
        assert (await http.get(f"/v1/sessions/{uuid4()}/stream")).status_code == 429
    async with connect(f"{strict.ws_url}/ws?sessionId={uuid4()}") as stranger:
        await stranger.wait_closed()
        assert (stranger.close_code, stranger.close_reason) == (4429, "RATE_LIMIT_EXCEEDED")
    async with screen(strict, str(uuid4()), token) as known:
        await known.until("CONNECTED")


async def test_with_the_store_away_a_socket_hears_that_and_of_no_limit(token):
    store = servers.StoreServer(servers.DATA_DIR / "connects", port=servers.free_port()).start()
    web = servers.web(REDIS_URL=store.url, RATE_LIMIT_CONNECT="1/h", RATE_LIMIT_GENERAL="1/h").wait_ready()
    try:
        store.stop()
        async with screen(web, str(uuid4()), token) as viewer:
            assert await viewer.closed() == (4430, "SERVICE_UNAVAILABLE")
        async with connect(f"{web.ws_url}/ws?sessionId={uuid4()}") as stranger:
            await stranger.wait_closed()
            assert stranger.close_code == 4501
    finally:
        web.stop()
        store.stop()
