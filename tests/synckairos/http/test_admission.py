"""Production admits requests for accepted hosts, over TLS by the word of a trusted proxy, at every endpoint."""

from __future__ import annotations

import json
from contextlib import closing

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from synckairos.auth.principal import mint
from synckairos.http.allowed_hosts import AllowedHosts
from tests import servers
from tests.conftest import bearer
from tests.raw import Raw

SESSION = "/v1/sessions/cccccccc-0000-4000-8000-000000000004/summary"
SOCKET = "/ws?sessionId=cccccccc-0000-4000-8000-000000000004"
PRODUCTION = {**servers.PRODUCTION, "SYNCKAIROS_ALLOWED_HOSTS": "127.0.0.1,clock.example.com"}
BY_TLS = {"X-Forwarded-Proto": "https"}
PLAIN = {"X-Forwarded-Proto": "http"}
PERSON = bearer(mint("alice", is_staff=False))
DOORS = [
    *(("GET", path, PERSON) for path in (SESSION, f"{SESSION}/summary", f"{SESSION}/poll", f"{SESSION}/stream")),
    *(("GET", f"{SESSION}/stream?{name}=x", {}) for name in ("token", "ticket")),
    *(("POST", path, PERSON) for path in ("/v1/sessions", "/v1/ws-tickets", f"{SESSION}/switch")),
    *(("POST", path, {}) for path in ("/v1/token", "/v1/token/refresh", "/v1/token/revoke", "/admin/login/")),
    ("GET", "/admin/", {"Cookie": "theme=dark; sessionid=x"}),
    ("GET", "/v1/time", PERSON),
    ("DELETE", SESSION, {}),
]
PAGES = ["/admin/", "/api-docs", "/v1/time", "/nowhere", "/static/admin/css/base.css", SESSION]


@pytest.fixture(scope="module")
def behind_proxy():
    web = servers.web(**PRODUCTION)
    yield web.wait_ready()
    web.stop()


@pytest.fixture(scope="module")
def behind_stranger():
    web = servers.web(**PRODUCTION | {"SYNCKAIROS_TRUSTED_PROXIES": "10.0.0.0/8"})
    yield web.wait_ready()
    web.stop()


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def message_of(answer):
    return answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "credentials"), DOORS)
def test_no_door_takes_credentials_or_commands_by_plain_http(behind_proxy, method, path, credentials):
    plain = httpx.request(method, f"{behind_proxy.url}{path}", headers=PLAIN | credentials)
    assert code_of(plain) == (403, "HTTPS_REQUIRED")
    assert plain.headers["x-content-type-options"] == "nosniff"  # an answer like every other


@pytest.mark.parametrize("path", PAGES)
def test_a_plain_get_without_credentials_is_redirected_to_https(behind_proxy, path):
    answer = httpx.get(f"{behind_proxy.url}{path}", headers=PLAIN | {"Cookie": "theme=dark"})
    assert (answer.status_code, answer.headers["location"][:8]) == (301, "https://")


@pytest.mark.parametrize("proto", [None, "https,http", "http, https", "HTTPSX", ""])
def test_a_proxy_without_a_valid_scheme_is_refused_instead_of_redirected_for_ever(behind_proxy, proto):
    told = {} if proto is None else {"X-Forwarded-Proto": proto}
    answer = httpx.get(f"{behind_proxy.url}/v1/time", headers=told)
    assert code_of(answer) == (403, "HTTPS_REQUIRED")
    assert "X-Forwarded-Proto" in message_of(answer)


@pytest.mark.parametrize("told", [BY_TLS, PLAIN, {"X-Forwarded-For": "1.2.3.4"}])
@pytest.mark.parametrize("path", ["/v1/time", "/admin/", SESSION, f"{SESSION}/poll"])
def test_a_proxy_that_is_not_named_is_refused_by_name_and_not_sent_round_for_ever(behind_stranger, told, path):
    answer = httpx.get(f"{behind_stranger.url}{path}", headers=told)
    assert code_of(answer) == (403, "HTTPS_REQUIRED")
    assert "SYNCKAIROS_TRUSTED_PROXIES" in message_of(answer)


def test_an_unnamed_proxy_is_logged_once(behind_stranger):
    for _ in range(5):
        httpx.get(f"{behind_stranger.url}/v1/time", headers=BY_TLS | {"X-Forwarded-For": "1.2.3.4"})
    lines = [line for line in behind_stranger.output().splitlines() if "SYNCKAIROS_TRUSTED_PROXIES" in line]
    assert len(lines) == 1


def test_a_client_without_any_proxy_is_sent_to_https(behind_stranger):
    assert httpx.get(f"{behind_stranger.url}/v1/time").status_code == 301


async def test_no_socket_opens_without_the_word_of_the_proxy(behind_proxy, behind_stranger):
    for web, told in ((behind_proxy, {}), (behind_proxy, PLAIN), (behind_stranger, BY_TLS), (behind_stranger, {})):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{web.ws_url}{SOCKET}", additional_headers=told | PERSON)
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["error"]["code"] == "HTTPS_REQUIRED"
    for word in ("https", "wss"):  # the latter is what Traefik says of a handshake
        told = BY_TLS | {"X-Forwarded-Proto": word}
        async with connect(f"{behind_proxy.ws_url}{SOCKET}", additional_headers=told | PERSON) as socket:
            assert json.loads(await socket.recv())["type"] == "CONNECTED"


@pytest.mark.parametrize(("method", "path", "credentials"), DOORS)
def test_no_door_is_open_under_another_name(behind_proxy, method, path, credentials):
    for host in ("evil.example.com", "localhost", "clock.example.com.evil.com", "127.0.0.1@x", "", "x" * 5_000):
        answer = httpx.request(method, f"{behind_proxy.url}{path}", headers={"Host": host} | BY_TLS | credentials)
        assert code_of(answer) == (400, "VALIDATION_ERROR"), host
        assert answer.json()["error"]["details"][0]["field"] == "Host"


@pytest.mark.parametrize("host", ["clock.example.com", "CLOCK.example.com:443", "127.0.0.1:1"])
def test_every_name_of_ours_is_taken_with_any_port(behind_proxy, host):
    answer = httpx.get(f"{behind_proxy.url}{SESSION}", headers={"Host": host} | BY_TLS | PERSON)
    assert code_of(answer) == (404, "SESSION_NOT_FOUND")


def test_no_socket_opens_under_another_name(behind_proxy):
    head = (*(f"{name}: {value}" for name, value in (BY_TLS | PERSON).items()), "Upgrade: websocket")
    rest = ("Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==")
    with closing(Raw(behind_proxy)) as raw:  # whose Host is x
        assert raw.get(SOCKET, *head, *rest).refusal() == (400, "VALIDATION_ERROR")


def test_probes_ask_by_whatever_name_and_without_tls(behind_proxy, behind_stranger):
    for web in (behind_proxy, behind_stranger):
        for headers in ({"Host": "10.1.2.3"}, BY_TLS, {"X-Forwarded-For": "1.2.3.4"}):
            assert httpx.get(f"{web.url}/health", headers=headers).status_code == 200


def test_only_accepted_hosts_are_cached_up_to_a_limit():
    hosts = AllowedHosts([".example.com"])
    for number in range(1_000):
        assert hosts.allows(b"a%d.example.com" % number)
        assert not hosts.allows(b"a%d.example.org" % number)
    assert len(hosts._accepted) <= 64
    assert not hosts.allows(b"a" * 10_000 + b".example.com")
    assert not hosts.allows(None)
    assert AllowedHosts(["*"]).allows(None)
