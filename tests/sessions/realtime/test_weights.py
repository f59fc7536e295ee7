"""What a socket, stream or poll asks for counts at its person's general limit, for what it costs."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.conftest import bearer
from tests.sockets import screen
from tests.talk import game

LIMIT = 6
LARGE = 250
"""Participants: two more requests."""


@pytest.fixture(scope="module")
def narrow(schema_url):
    """A web process with a narrow limit of requests."""
    web = servers.web(RATE_LIMIT_GENERAL=f"{LIMIT}/h")
    yield web.wait_ready()
    assert web.stop() == 0
    assert "Traceback" not in web.output()


def made(api, seats=2):
    """A session that everybody may look at."""
    return api.post("/v1/sessions", json=game(seats, visibility="public")).json()["data"]["session_id"]


def left(web, token):
    """How much is left of the general limit; asking takes one, which is not counted here."""
    answer = httpx.get(f"{web.url}/v1/sessions/{uuid4()}", headers=bearer(token), timeout=30)
    if answer.status_code == 429:
        return 0
    return int(answer.headers["RateLimit"].split(";")[1].removeprefix("r=")) + 1


def reads_of_history(web):
    """How often a process has read what clients have missed."""
    text = httpx.get(f"{web.url}/metrics", timeout=30).text
    return float(re.search(r'synckairos_store_seconds_count\{script="history"\} (\S+)', text)[1])


async def answered(viewer, kind, **frame):
    """Send a frame and give the first answer that is of this kind or an error."""
    await viewer.send(**frame)
    while True:
        got = await viewer.receive()
        if got["type"] in {kind, "ERROR"}:
            return got


async def test_a_viewers_reconnects_count_over_all_its_sockets(narrow, api):
    session_id, viewer = made(api), mint("viewer", is_staff=False)
    async with screen(narrow, session_id, viewer) as one, screen(narrow, session_id, viewer) as other:
        answers = [await answered(one, "STATE_SYNC", type="RECONNECT", last_version=1) for _ in range(4)]
        answers += [await answered(other, "STATE_SYNC", type="RECONNECT") for _ in range(4)]
        assert [answer["type"] for answer in answers] == ["STATE_SYNC"] * LIMIT + ["ERROR"] * 2
        refused = answers[-1]
        assert refused["code"] == "RATE_LIMIT_EXCEEDED"
        assert 0 < refused["retry_after_seconds"] <= 600
        assert (await answered(other, "PONG", type="PING"))["type"] == "PONG", "the socket stays"
        api.post(f"/v1/sessions/{session_id}/start")
        await other.until_version(2)
        assert left(narrow, viewer) == 0
        redis_client.blocking_client().delete(keys.rate("general", "viewer"))
        assert (await answered(one, "STATE_SYNC", type="RECONNECT"))["type"] == "STATE_SYNC"
        refused = await answered(other, "STATE_SYNC", type="RECONNECT")
        assert refused["code"] == "RATE_LIMIT_EXCEEDED", "it was told until when, and nobody asks the store meanwhile"


async def test_what_the_limit_refuses_is_not_read_from_the_store(narrow, api):
    session_id, viewer = made(api), mint("reader", is_staff=False)
    async with screen(narrow, session_id, viewer) as one, screen(narrow, session_id, viewer) as other:
        for _ in range(LIMIT):
            assert (await answered(one, "STATE_SYNC", type="RECONNECT"))["type"] == "STATE_SYNC"
        before = reads_of_history(narrow)
        refused = await answered(other, "STATE_SYNC", type="RECONNECT")
        assert refused["code"] == "RATE_LIMIT_EXCEEDED"
        assert reads_of_history(narrow) == before > 0


async def test_credentials_count_before_they_are_looked_at(narrow, api):
    session_id, token = made(api), mint("prober", is_staff=False)
    async with screen(narrow, session_id, token) as viewer:
        for number in range(LIMIT):
            refused = await answered(viewer, "ACK", type="AUTH", id=number, token=f"{token[:-9]}{number:09}")
            assert refused["code"] == "UNAUTHENTICATED"
        fresh = mint("prober", is_staff=True)
        refused = await answered(viewer, "ACK", type="AUTH", id="fresh", token=fresh)
        assert (refused["code"], refused["id"]) == ("RATE_LIMIT_EXCEEDED", "fresh")
        assert refused["retry_after_seconds"] > 0


async def test_the_credentials_that_a_socket_has_already_cost_nothing(narrow, api):
    session_id, token = made(api), mint("careful", is_staff=False)
    async with screen(narrow, session_id, token) as viewer:
        for number in range(2 * LIMIT):
            assert (await answered(viewer, "ACK", type="AUTH", id=number, token=token))["type"] == "ACK"
        assert left(narrow, token) == LIMIT
        fresh = mint("careful", is_staff=True)
        for _ in range(2 * LIMIT):  # one of which is looked at
            assert (await answered(viewer, "ACK", type="AUTH", token=fresh))["type"] == "ACK"
        assert left(narrow, fresh) == LIMIT - 2


async def test_large_sessions_count_for_more_at_sockets(narrow, api):
    session_id, token = made(api, LARGE), mint("host", is_staff=False)
    async with screen(narrow, session_id, token) as viewer:
        await viewer.until("CONNECTED")  # two, beyond the limit of connects
        assert (await answered(viewer, "STATE_SYNC", type="RECONNECT"))["type"] == "STATE_SYNC"  # and three
        assert (await answered(viewer, "STATE_SYNC", type="RECONNECT"))[
            "type"
        ] == "STATE_SYNC"  # and three: one too many
        refused = await answered(viewer, "STATE_SYNC", type="RECONNECT")
        assert refused["code"] == "RATE_LIMIT_EXCEEDED"
        assert 1_200 < refused["retry_after_seconds"] <= 1_800


@pytest.mark.parametrize("door", ["poll", "stream"])
def test_large_sessions_count_for_more_at_polls_and_streams(narrow, api, door):
    session_id, token = made(api, LARGE), mint(f"of-{door}", is_staff=False)
    with httpx.stream(
        "GET", f"{narrow.url}/v1/sessions/{session_id}/{door}", headers=bearer(token), timeout=30
    ) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_raw())
    assert left(narrow, token) == LIMIT - 3


def test_large_sessions_count_for_more_at_the_hot_door(narrow, api):
    token = mint("maker", is_staff=False)
    answer = httpx.post(f"{narrow.url}/v1/sessions", json=game(LARGE), headers=bearer(token), timeout=30)
    assert answer.headers["RateLimit"].startswith('"general";r=3;')
    session_id = answer.json()["data"]["session_id"]
    started = httpx.post(f"{narrow.url}/v1/sessions/{session_id}/start", headers=bearer(token), timeout=30)
    assert started.headers["RateLimit"].startswith('"general";r=0;')
