"""Pages of listed origins read every HTTP door and open sockets; others do not. On real servers."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from synckairos.auth.principal import mint
from synckairos.http.cors import Cors
from tests import servers
from tests.conftest import bearer

PAGE = "https://app.example.com"
ORIGINS = (PAGE, "capacitor://localhost", "ionic://localhost", "http://localhost")
STRANGERS = ("https://evil.example.com", "http://app.example.com", "https://app.example.com:8443", "null", "ionic://x")
SESSION = "/v1/sessions/cccccccc-0000-4000-8000-000000000003"
EXPOSED = {"etag", "retry-after", "ratelimit", "ratelimit-policy", "idempotency-replayed", "x-request-id"}
DOORS = [
    ("GET", "/health", 200),
    ("GET", "/v1/time", 200),
    ("GET", "/api-docs.json", 200),
    ("GET", f"{SESSION}/summary", 404),
    ("GET", f"{SESSION}/poll", 404),
    ("PUT", f"{SESSION}/poll", 405),
    ("GET", f"{SESSION}/stream", 401),
    ("POST", "/v1/sessions", 400),
    ("GET", "/nowhere", 404),
    ("PUT", SESSION, 405),
    ("GET", "/health?" + "q" * 20_000, 414),
]


@pytest.fixture(scope="module")
def web():
    server = servers.web(
        SYNCKAIROS_CORS_ORIGINS=",".join(ORIGINS),
        SYNCKAIROS_ALLOWED_HOSTS="127.0.0.1",
        RATE_LIMIT_GENERAL="5/h",
    )
    yield server.wait_ready()
    server.stop()


@pytest.fixture
def page(web):
    with httpx.Client(base_url=web.url, headers=bearer(mint("alice", is_staff=False)), verify=False) as client:
        yield client


def names(text):
    return {name.strip().lower() for name in text.split(",")}


def preflight(page, path, origin=PAGE, method="PATCH", fields="authorization,if-match"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": fields}
    request = page.build_request("OPTIONS", path, headers={"Origin": origin, **asked})
    del request.headers["authorization"]  # a browser sends none before it knows
    return page.send(request)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(("method", "path", "status"), DOORS)
def test_a_listed_page_reads_every_answer(page, origin, method, path, status):
    known = {} if status != 401 else {"Authorization": "Bearer x"}
    answer = page.request(method, path, headers={"Origin": origin} | known, json={} if method == "POST" else None)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == origin
    assert names(answer.headers["access-control-expose-headers"]) == EXPOSED
    assert "origin" in names(answer.headers["vary"])
    assert "access-control-allow-credentials" not in answer.headers


def test_it_reads_a_429_too_and_that_of_a_large_body(page):
    answers = [page.get(SESSION, headers={"Origin": PAGE}) for _ in range(6)]
    assert answers[-1].status_code == 429
    large = page.post("/v1/sessions", content=b" " * 300_000, headers={"Origin": PAGE})
    assert large.status_code == 413
    assert {answer.headers["access-control-allow-origin"] for answer in (answers[-1], large)} == {PAGE}


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("path", ["/v1/time", SESSION, f"{SESSION}/poll"])
def test_a_page_of_another_origin_gets_no_access(page, origin, path):
    answer = page.get(path, headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    assert "origin" in names(answer.headers["vary"])
    refused = preflight(page, path, origin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("path", ["/v1/sessions", SESSION, f"{SESSION}/poll", f"{SESSION}/stream", "/v1/token", "/x"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_may_ask_before_it_comes_without_credentials(page, path, origin):
    answer = preflight(page, path, origin)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == origin
    assert names(answer.headers["access-control-allow-methods"]) == {"get", "head", "post", "patch", "delete"}
    assert names(answer.headers["access-control-allow-headers"]) >= {
        *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match"),
        *("last-event-id", "x-request-id"),
    }
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("asked", [{"method": "PUT"}, {"fields": "x-anything"}])
def test_a_preflight_refuses_methods_and_headers_that_no_endpoint_accepts(page, asked):
    assert preflight(page, SESSION, **asked).status_code == 403


@pytest.mark.parametrize("path", ["/admin/login/", "/static/admin/css/base.css"])
def test_the_admin_is_for_its_own_pages(page, path):
    answer = page.get(path, headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in preflight(page, path).headers


LOCAL = ("http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:8080", "https://localhost:4200")
ALMOST_LOCAL = (
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost:5173x",
    "file://",
    "http://10.0.0.1:3000",
)


@pytest.mark.parametrize("path", ["/v1/time", SESSION, f"{SESSION}/poll", "/v1/token", "/x"])
def test_a_preflight_is_refused_when_no_origin_is_listed(api, path):
    answer = api.get("/v1/time", headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers
    refused = preflight(api, path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert "SYNCKAIROS_CORS_ORIGINS" in refused.json()["error"]["message"]
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("origin", LOCAL)
def test_in_development_pages_of_this_machine_are_let_in_on_any_port(api, webs, token, origin):
    answer = api.get("/v1/time", headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert preflight(api, SESSION, origin).status_code == 204
    with connect(f"{webs[0].ws_url}/ws?sessionId={uuid4()}", origin=origin, additional_headers=bearer(token)) as ws:
        assert "CONNECTED" in ws.recv(30)


@pytest.mark.parametrize("origin", ALMOST_LOCAL)
def test_pages_that_only_look_like_it_are_not(api, origin):
    assert "access-control-allow-origin" not in api.get("/v1/time", headers={"Origin": origin}).headers
    assert preflight(api, SESSION, origin).status_code == 403


@pytest.mark.parametrize("origins", [(), (PAGE,)])
@pytest.mark.parametrize("origin", LOCAL)
async def test_in_production_they_are_not_and_get_a_clear_answer_all_the_same(origins, origin):
    async def nobody(*_):
        raise AssertionError("a preflight is answered before any door")

    events = []

    async def keep(event):
        events.append(event)

    scope = {
        "type": "http",
        "method": "OPTIONS",
        "path": SESSION,
        "headers": [(b"origin", origin.encode()), (b"access-control-request-method", b"POST")],
    }
    await Cors(nobody, origins, allow_local_pages=False)(scope, None, keep)
    assert events[0]["status"] == 403
    assert b"access-control-allow-origin" not in dict(events[0]["headers"])


@pytest.mark.parametrize("origin", [*ORIGINS, None, "http://127.0.0.1:8000"])
def test_a_listed_page_opens_sockets(web, origin):
    with connect(
        f"{web.ws_url}/ws?sessionId={uuid4()}", origin=origin, additional_headers=bearer(mint("bob", is_staff=False))
    ) as ws:
        assert "CONNECTED" in ws.recv(30)


@pytest.mark.parametrize("origin", [*STRANGERS, "https://localhost.example.com", "capacitor://app.example.com"])
def test_another_page_opens_none(web, origin):
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"{web.ws_url}/ws?sessionId={uuid4()}",
            origin=origin,
            additional_headers=bearer(mint("bob", is_staff=False)),
        )
    assert refused.value.response.status_code == 403
