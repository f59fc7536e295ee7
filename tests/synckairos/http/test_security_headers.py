"""Every response has the security headers, on real servers, and the product's own pages work with them."""

from __future__ import annotations

import secrets
from contextlib import closing

import httpx
import pytest

from synckairos.auth.signing_keys import generate_pem
from tests import servers
from tests.raw import Raw

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
SESSION = "/v1/sessions/cccccccc-0000-4000-8000-000000000003"
DOORS = [
    *(("GET", path) for path in ("/health", "/ready", "/metrics", "/v1/time", "/.well-known/jwks.json")),
    *(("GET", path) for path in ("/api-docs", "/api-docs.json", "/asyncapi.json", "/admin/", "/admin/login/")),
    *(("GET", path) for path in ("/static/admin/css/base.css", "/nowhere", SESSION, f"{SESSION}/poll")),
    *(("GET", path) for path in (f"{SESSION}/stream", f"/health?{'q' * 20_000}")),
    *(("POST", path) for path in ("/v1/sessions", "/v1/token", "/health")),
    ("OPTIONS", SESSION),
    ("PUT", f"{SESSION}/poll"),
]
SECURE = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def production():
    web = servers.web(
        SYNCKAIROS_ENV="production",
        SYNCKAIROS_SECRET_KEY=secrets.token_urlsafe(48),
        SYNCKAIROS_SIGNING_KEYS=generate_pem(),
        SYNCKAIROS_ALLOWED_HOSTS="127.0.0.1",
        SYNCKAIROS_TRUSTED_PROXIES="127.0.0.1",
    )
    yield web.wait_ready()
    web.stop()


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_every_answer_of_every_door_has_them(api, method, path):
    stranger = {"Authorization": "Bearer x"} if "/stream" in path else {}  # nobody else's would end
    answer = api.request(method, path, headers=stranger)
    for name, value in ALWAYS.items():
        assert answer.headers.get_list(name) == [value], name
    policy = answer.headers["content-security-policy"]
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    assert ("script-src 'self';" in policy) == is_page
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"]
    assert "strict-transport-security" not in answer.headers  # plain HTTP: browsers would not heed it


def test_so_has_what_is_refused_before_it_is_read(webs):
    with closing(Raw(webs[0])) as raw:
        _, fields, _ = raw.send("GET /health HTTP/1.1\r\nno colon here\r\n\r\n").answer()
    assert ALWAYS.items() <= fields.items()


@pytest.mark.parametrize("path", ["/health", "/v1/time", "/nowhere", f"{SESSION}/poll", "/admin/login/", "/api-docs"])
def test_in_production_every_https_response_has_hsts(production, path):
    answer = httpx.get(f"{production.url}{path}", headers=SECURE)
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]


def test_in_production_the_metrics_are_closed(production):
    assert httpx.get(f"{production.url}/metrics", headers=SECURE).status_code == 404


def test_a_state_may_be_kept_by_its_client_that_asks_again(api, game):
    made = api.post("/v1/sessions", json=game)
    path = f"/v1/sessions/{made.json()['data']['session_id']}"
    read = api.get(path)
    unchanged = api.get(path, headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    polled = api.get(f"{path}/poll")
    for answer in (made, read, unchanged, polled):
        assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/v1/time", "/nowhere", f"{SESSION}/summary", f"{SESSION}/presence", "/ready"])
def test_nothing_else_is_kept(api, path):
    assert api.get(path).headers["cache-control"] == "no-store"


def test_nor_are_tokens(api):
    assert api.post("/v1/token", json={"username": "x", "password": "y"}).headers["cache-control"] == "no-store"


def test_keys_and_files_may_be(api):
    assert "max-age" in api.get("/.well-known/jwks.json").headers["cache-control"]
    assert "max-age" in api.get("/static/admin/css/base.css").headers["cache-control"]
