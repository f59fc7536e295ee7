"""Behind a real nginx with the configuration of deploy/nginx/synckairos.conf, in production mode: every door works, and
a client counts for itself."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from synckairos.auth.principal import mint
from tests import nginx, servers
from tests.conftest import bearer
from tests.sockets import Screen

pytestmark = nginx.required

PATIENCE_S = 30.0
REQUESTS = 40
"""Of one person or one stranger, before they are limited."""
PRODUCTION = {
    "SYNCKAIROS_ENV": "production",
    "SYNCKAIROS_SECRET_KEY": "".join(f"{number:x}-" for number in range(40)),
    "SYNCKAIROS_SIGNING_KEYS": str(servers.DATA_DIR / "signing_key"),
    "SYNCKAIROS_ALLOWED_HOSTS": "localhost",
    "SYNCKAIROS_TRUSTED_PROXIES": "127.0.0.1/32",
    "SYNCKAIROS_DRAIN_S": "0",
    "RATE_LIMIT_GENERAL": f"{REQUESTS}/h",
    "RATE_LIMIT_SERVICE": "off",
}


@pytest.fixture(scope="module")
def webs() -> Iterator[list[servers.Web]]:
    both = [servers.web(**PRODUCTION), servers.web(**PRODUCTION)]
    for web in both:
        web.wait_ready()
    yield both
    for web in both:
        assert web.stop() == 0
        assert "Traceback" not in web.output()


@pytest.fixture(scope="module")
def proxy(webs: list[servers.Web], tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Nginx]:
    running = nginx.documented(tmp_path_factory.mktemp("nginx"), [web.port for web in webs]).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusting(proxy: nginx.Nginx) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=proxy.directory / "fullchain.pem")


@pytest.fixture
def service() -> dict[str, str]:
    """An integrator's backend, which is not limited here."""
    return bearer(mint("games", is_staff=False, is_service=True))


@pytest.fixture
def outside(proxy: nginx.Nginx, trusting: ssl.SSLContext, service: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"https://localhost:{proxy.port}", verify=trusting, headers=service, timeout=30
    ) as client:
        yield client


@pytest.fixture
def session_id(outside: httpx.Client, game) -> str:
    created = outside.post("/v1/sessions", json=game)
    assert created.status_code == 201, created.text
    return created.json()["data"]["session_id"]


def test_rest_works_by_https_and_plain_http_is_sent_there(proxy, outside, session_id):
    assert outside.post(f"/v1/sessions/{session_id}/start").status_code == 200
    switched = outside.post(f"/v1/sessions/{session_id}/switch", headers={"Idempotency-Key": str(uuid4())})
    assert switched.status_code == 200
    assert "strict-transport-security" in switched.headers
    seen = {"If-None-Match": outside.get(f"/v1/sessions/{session_id}").headers["etag"]}
    assert outside.get(f"/v1/sessions/{session_id}", headers=seen).status_code == 304
    sent_on = httpx.get(f"http://127.0.0.1:{proxy.plain_port}/v1/time?x=1", headers={"Host": "localhost"})
    assert (sent_on.status_code, sent_on.headers["location"]) == (301, "https://localhost/v1/time?x=1")


async def test_a_socket_shows_the_session_and_takes_commands(proxy, trusting, service, session_id):
    address = f"wss://localhost:{proxy.port}/ws?sessionId={session_id}"
    async with connect(
        address, additional_headers=service, ssl=trusting, origin=f"https://localhost:{proxy.port}"
    ) as one:
        viewer = Screen(one)
        await viewer.until("CONNECTED", PATIENCE_S)
        await viewer.send(type="START", id=1)
        assert (await viewer.until("ACK", PATIENCE_S, id=1))["version"] == 2


def test_events_of_a_stream_come_as_they_happen(outside, session_id):
    with outside.stream("GET", f"/v1/sessions/{session_id}/stream") as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
        assert json.loads(first.removeprefix("data:"))["type"] == "CONNECTED"
        outside.post(f"/v1/sessions/{session_id}/start")
        assert any('"STATE_UPDATE"' in line for line in lines)  # else it waits until nginx gives up


async def test_a_poll_may_wait_and_is_woken(proxy, trusting, service, session_id):
    base = f"https://localhost:{proxy.port}"
    async with httpx.AsyncClient(base_url=base, verify=trusting, headers=service, timeout=60) as http:
        path = f"/v1/sessions/{session_id}/poll?since_version=1"
        unchanged = await http.get(f"{path}&wait_ms=10")
        assert unchanged.status_code == 304
        woken = asyncio.create_task(http.get(path))
        await http.post(f"/v1/sessions/{session_id}/start")
        assert (await woken).json()["data"]["version"] == 2


def test_a_body_that_is_too_big_is_refused_in_our_words_and_a_huge_one_in_nginx_s(outside):
    big = outside.post("/v1/sessions", content=b" " * 300 * 1024, headers={"Content-Type": "application/json"})
    assert (big.status_code, big.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    huge = outside.post("/v1/sessions", content=b" " * 2 * 1024 * 1024, headers={"Content-Type": "application/json"})
    assert huge.status_code == 413


def test_strangers_are_counted_by_their_own_address_whatever_they_write(proxy, trusting, webs):
    def strange(address: str, forwarded: str) -> int:
        transport = httpx.HTTPTransport(verify=trusting, local_address=address)
        with httpx.Client(base_url=f"https://localhost:{proxy.port}", transport=transport) as client:
            return client.get(f"/v1/sessions/{uuid4()}", headers={"X-Forwarded-For": forwarded}).status_code

    answers = [strange("127.0.0.2", f"9.9.9.{number}") for number in range(REQUESTS + 1)]
    assert answers == [401] * REQUESTS + [429]
    assert strange("127.0.0.3", "127.0.0.2") == 401
    assert not any("not trusted" in web.output() for web in webs)


def test_what_is_for_the_operator_is_not_shown_to_the_public(outside):
    assert [outside.get(path).status_code for path in ("/health", "/ready", "/metrics")] == [404] * 3


@pytest.mark.parametrize("secret", ["token", "ticket"])
def test_what_stands_in_an_address_is_in_no_log_even_when_no_process_answers(tmp_path, secret):
    alone = nginx.documented(tmp_path, [servers.free_port(), servers.free_port()]).start()
    try:
        path = f"/v1/sessions/{uuid4()}/stream"
        address = f"https://localhost:{alone.port}{path}?{secret}=not-for-logs"
        assert (
            httpx.get(address, verify=ssl.create_default_context(cafile=tmp_path / "fullchain.pem")).status_code == 502
        )
    finally:
        alone.stop()
    logs = {file.name: file.read_text() for file in tmp_path.glob("*.log")}
    assert f'"GET {path} HTTP/1.1" 502' in logs["synckairos.log"]
    assert [name for name, text in logs.items() if "not-for-logs" in text] == []


async def test_no_command_fails_while_one_process_is_restarted(proxy, trusting, service, webs, session_id):
    """nginx may not send a POST again, so each must reach a process that answers it."""
    base, restarted = f"https://localhost:{proxy.port}", asyncio.Event()

    async def play() -> list[int]:
        statuses = []
        while not restarted.is_set():
            statuses.append((await http.post(f"/v1/sessions/{session_id}/switch")).status_code)
        return statuses

    async with httpx.AsyncClient(base_url=base, verify=trusting, headers=service, timeout=60) as http:
        await http.post(f"/v1/sessions/{session_id}/start")
        playing = [asyncio.create_task(play()) for _ in range(4)]
        assert await asyncio.to_thread(webs[0].stop) == 0
        webs[0] = servers.web(webs[0].port, **PRODUCTION)
        await asyncio.to_thread(webs[0].wait_ready)
        restarted.set()
        statuses = [status for answers in await asyncio.gather(*playing) for status in answers]
    assert set(statuses) == {200}
