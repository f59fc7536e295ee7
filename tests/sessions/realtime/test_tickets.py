"""One-time tickets as they are spent: by a socket or an event stream, once, for the session they were bought for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from synckairos import ids
from synckairos.auth.principal import mint
from synckairos.redis import keys
from tests import servers
from tests.conftest import bearer
from tests.sockets import Screen

SPENT = (4501, "UNAUTHENTICATED")


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


@pytest.fixture(scope="module")
def lonely(own_store):
    """A web process with a store of its own."""
    web = servers.web(REDIS_URL=own_store.url)
    yield web.wait_ready()
    web.stop()


def buy(web, session_id, token):
    answer = httpx.post(
        f"{web.url}/v1/ws-tickets", json={"session_id": session_id}, headers=bearer(token), verify=False
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["ticket"]


@asynccontextmanager
async def socket(web, session_id, ticket, more="", **options):
    async with connect(f"{web.ws_url}/ws?sessionId={session_id}{more}&ticket={ticket}", **options) as connection:
        yield Screen(connection)


async def end_of(web, session_id, ticket, more="", **options):
    """How a socket that is not let in ends."""
    async with socket(web, session_id, ticket, more, **options) as viewer:
        end = await viewer.closed()
        assert not viewer.frames
        return end


async def stream_status(web, session_id, ticket):
    """The status of an event stream; one that is let in shows something."""
    address = f"{web.url}/v1/sessions/{session_id}/stream?ticket={ticket}"
    async with httpx.AsyncClient(verify=False) as http, http.stream("GET", address) as answer:
        if answer.status_code == 200:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert '"type":"CONNECTED"' in line
                    break
        return answer.status_code


async def test_a_ticket_opens_a_socket_that_takes_commands_at_another_process(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    async with socket(webs[1], session_id, ticket) as viewer:
        assert (await viewer.receive())["type"] == "CONNECTED"
        await viewer.send(type="START", id="x")
        assert (await viewer.until("ACK"))["version"] == 2


async def test_a_ticket_is_used_once(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    async with socket(webs[0], session_id, ticket) as viewer:
        assert (await viewer.receive())["type"] == "CONNECTED"
        assert await end_of(webs[0], session_id, ticket) == SPENT
        assert await end_of(webs[1], session_id, ticket) == SPENT
        assert await stream_status(webs[1], session_id, ticket) == 401
        await viewer.send(type="PING")
        await viewer.until("PONG")


async def test_of_many_who_bring_the_same_ticket_at_once_one_is_let_in(webs, token, session_id):
    async def comes(number):
        async with socket(webs[number % 2], session_id, ticket) as viewer:
            try:
                return (await viewer.receive())["type"]
            except Exception:  # noqa: BLE001 - the close, whose code is looked at
                return viewer.connection.close_code

    for _ in range(3):
        ticket = buy(webs[0], session_id, token)
        came = await asyncio.gather(*map(comes, range(12)))
        assert sorted(map(str, came)) == ["4501"] * 11 + ["CONNECTED"]


async def test_a_ticket_for_another_session_is_refused_and_spent(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    assert await end_of(webs[0], str(uuid4()), ticket) == SPENT
    assert await end_of(webs[0], session_id, ticket) == SPENT


@pytest.mark.parametrize("junk", ["x", "%00", "a" * 43, "a" * 5000, "<script>"])
async def test_what_is_no_ticket_of_ours_is_refused(webs, session_id, junk):
    assert await end_of(webs[0], session_id, junk) == SPENT
    assert await stream_status(webs[0], session_id, junk) == 401


async def test_a_ticket_opens_one_event_stream(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    assert await stream_status(webs[1], session_id, ticket) == 200
    assert await stream_status(webs[1], session_id, ticket) == 401
    assert await end_of(webs[0], session_id, ticket) == SPENT


async def test_a_stream_of_another_session_spends_the_ticket(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    assert await stream_status(webs[0], str(uuid4()), ticket) == 401
    assert await stream_status(webs[0], session_id, ticket) == 401


async def test_a_ticket_comes_after_the_header_and_before_the_others(webs, token, session_id):
    ticket = buy(webs[0], session_id, token)
    bad = {"additional_headers": bearer("bad.bad.bad")}
    assert await end_of(webs[0], session_id, ticket, **bad) == SPENT  # by the header: the ticket was not looked at
    async with socket(webs[0], session_id, ticket, "&token=bad", subprotocols=["bearer.bad"]) as viewer:
        assert (await viewer.receive())["type"] == "CONNECTED"
    good = {"subprotocols": ["synckairos.v2", f"bearer.{token}"]}
    assert await end_of(webs[0], session_id, ticket, f"&token={token}", **good) == SPENT


async def test_the_credentials_of_a_ticket_end_with_its_token_and_can_be_renewed(clocked_web, session_id):
    web, clock = clocked_web
    ticket = buy(web, session_id, mint("alice", is_staff=False, lifetime=timedelta(hours=1)))
    async with socket(web, session_id, ticket) as viewer:
        await viewer.until("CONNECTED")
        clock.advance(3_600)
        await viewer.until("ERROR", code="CREDENTIALS_EXPIRED")
        await viewer.send(type="AUTH", id="bob", token=mint("bob", is_staff=False))
        assert (await viewer.until("ERROR", id="bob"))["code"] == "FORBIDDEN"
        await viewer.send(type="AUTH", id="alice", token=mint("alice", is_staff=False))
        await viewer.until("ACK", id="alice")


async def test_credentials_of_a_ticket_that_nobody_renews_close_the_socket(clocked_web, session_id):
    web, clock = clocked_web
    ticket = buy(web, session_id, mint("alice", is_staff=False, lifetime=timedelta(hours=1)))
    async with socket(web, session_id, ticket) as viewer:
        await viewer.until("CONNECTED")
        clock.advance(3_600)
        await viewer.until("ERROR", code="CREDENTIALS_EXPIRED")
        clock.advance(600)
        assert await viewer.closed() == (4401, "Credentials expired")
        assert [frame["type"] for frame in viewer.frames] == ["CONNECTED", "ERROR"]


async def test_a_ticket_that_is_not_used_in_time_is_over(lonely, own_store, token):
    session_id = str(uuid4())
    late = buy(lonely, session_id, token)
    with servers.redis.Redis.from_url(own_store.url) as client:
        assert 0 < client.pttl(keys.ticket(late)) <= 30_000  # the store forgets it by itself
        client.pexpire(keys.ticket(late), 1)
        servers.wait_until(lambda: not client.exists(keys.ticket(late)), 30, "the ticket's time is over")
    assert await end_of(lonely, session_id, late) == SPENT
    ticket = buy(lonely, session_id, token)
    async with socket(lonely, session_id, ticket) as viewer:
        assert (await viewer.receive())["type"] == "CONNECTED"


async def test_with_the_store_away_a_ticket_may_come_back(lonely, own_store, token):
    session_id = str(uuid4())
    own_store.stop()
    try:
        assert await end_of(lonely, session_id, ids.new_ticket()) == (4430, "SERVICE_UNAVAILABLE")
        assert await stream_status(lonely, session_id, ids.new_ticket()) == 503
        assert await end_of(lonely, session_id, "no-ticket") == SPENT
    finally:
        own_store.start()
    assert await stream_status(lonely, session_id, buy(lonely, session_id, token)) == 200
