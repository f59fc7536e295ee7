"""Rate limits over real processes: exact in a burst, by the right address, open or closed without the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from synckairos.auth.principal import mint
from tests import servers
from tests.conftest import bearer, client_of
from tests.talk import at, created, game, refused

BURST = 400
LIMIT = 40  # an hour: one is given back in 90 s
AT_ONCE = 50


@pytest.fixture(scope="module")
def limited_webs():
    """Two web processes with one store, through which forty requests an hour may pass."""
    both = [servers.web(RATE_LIMIT_GENERAL=f"{LIMIT}/h") for _ in range(2)]
    yield [server.wait_ready() for server in both]
    for server in both:
        server.stop()


async def burst(webs, name):
    """Return the number of answers of each status in a burst of one person's requests over these processes."""
    path = f"/v1/sessions/{uuid4()}/summary"
    credentials = bearer(mint(name, is_staff=False))
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(http, web):
        async with turn:
            return await http.get(f"{web.url}{path}")

    # The server lets idle connections go after 5 s: ours must not be about to use one just then.
    kept = httpx.Limits(keepalive_expiry=2)
    async with httpx.AsyncClient(headers=credentials, timeout=30, limits=kept, verify=False) as http:
        answers = await asyncio.gather(*(ask(http, webs[place % len(webs)]) for place in range(BURST)))
    remaining = sorted(int(a.headers["ratelimit"].partition("r=")[2].partition(";")[0]) for a in answers)
    assert remaining[BURST - LIMIT :] == list(range(LIMIT))
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("processes", [1, 2])
async def test_exactly_as_many_requests_pass_as_the_limit_allows(limited_webs, processes):
    assert await burst(limited_webs[:processes], f"burst {processes}") == {404: LIMIT, 429: BURST - LIMIT}


@pytest.fixture(scope="module")
def strict(own_store):
    """A web process with a store of its own and every limit."""
    server = servers.web(
        REDIS_URL=own_store.url,
        RATE_LIMIT_GENERAL="100/h",
        RATE_LIMIT_SWITCH="100/h",
        RATE_LIMIT_CREATE="100/h",
        RATE_LIMIT_TOKEN="1/h",
    )
    yield server.wait_ready()
    server.stop()
    assert "Traceback" not in server.output()


WHO = {"username": "nobody", "password": "guess"}


def test_without_the_store_requests_pass_and_logins_are_refused(own_store, strict):
    with client_of(strict, mint("alice", is_staff=False)) as api:
        state = created(api)
        form = api.get("/admin/login/")
        own_store.stop()
        refused(api.post("/v1/sessions", json={}), 400, "VALIDATION_ERROR")
        for answer in (api.post("/v1/sessions", json=game()), api.post(at(state, "switch")), api.get(at(state))):
            refused(answer, 503, "SERVICE_UNAVAILABLE")
            assert "ratelimit" not in answer.headers
        with httpx.Client(base_url=strict.url, verify=False) as stranger:
            refused(stranger.get(at(state)), 401, "UNAUTHENTICATED")
        login = {**WHO, "csrfmiddlewaretoken": form.cookies["csrftoken"]}
        closed = [
            api.post("/v1/token", json=WHO),
            api.post("/v1/token/refresh", json={"refresh": "x"}),
            api.post("/admin/login/", data=login),
        ]
        for answer in closed:
            refused(answer, 503, "SERVICE_UNAVAILABLE")
            assert answer.headers["retry-after"] == "1"
        assert api.get("/admin/login/").status_code == 200
        own_store.start()
        assert api.get(at(state)).headers["ratelimit"].startswith('"general";r=98;')


@pytest.mark.parametrize(("proxies", "second"), [("", 429), ("127.0.0.0/8", 401), ("10.0.0.0/8", 429)])
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(proxies, second):
    server = servers.web(RATE_LIMIT_GENERAL="1/h", SYNCKAIROS_TRUSTED_PROXIES=proxies).wait_ready()
    try:
        for client, status in (("1.1.1.1", 401), ("2.2.2.2", second)):
            answer = httpx.get(f"{server.url}/v1/sessions/x", headers={"X-Forwarded-For": f"6.6.6.6, {client}"})
            assert answer.status_code == status
        again = httpx.get(f"{server.url}/v1/sessions/x", headers={"X-Forwarded-For": "9.9.9.9, 1.1.1.1"})
        assert again.status_code == 429
    finally:
        server.stop()


def test_proxies_that_are_not_networks_are_refused_by_name():
    server = servers.web(SYNCKAIROS_TRUSTED_PROXIES="10.0.0.1/8, unix")
    assert server.process.wait(60) != 0
    assert "SYNCKAIROS_TRUSTED_PROXIES: Expected networks such as 10.0.0.0/8, or unix" in server.output()
