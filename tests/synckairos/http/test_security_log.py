"""A refusal leaves a log line with an address and a count by reason; lines are limited, counts are not."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import closing

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from synckairos.http import security_log
from synckairos.http.security_log import BURST, Reason
from tests import servers
from tests.conftest import bearer
from tests.raw import Raw

SESSION = "/v1/sessions/cccccccc-0000-4000-8000-000000000005"
SOCKET = "/ws?sessionId=cccccccc-0000-4000-8000-000000000005"
METRICS_TOKEN = secrets.token_urlsafe(32)
BY_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
PASSWORD = "not the right one"


@pytest.fixture(scope="module")
def web(schema_url):
    running = servers.web(
        SYNCKAIROS_ENV="production",
        SYNCKAIROS_SECRET_KEY=secrets.token_urlsafe(48),
        SYNCKAIROS_SIGNING_KEYS=str(servers.DATA_DIR / "signing_key"),
        SYNCKAIROS_ALLOWED_HOSTS="127.0.0.1",
        SYNCKAIROS_TRUSTED_PROXIES="127.0.0.1",
        SYNCKAIROS_METRICS_TOKEN=METRICS_TOKEN,
        SYNCKAIROS_LOG_ADDRESSES="whole",
        SYNCKAIROS_LOG_LEVEL="INFO",
        RATE_LIMIT_TOKEN="3/h",
        RATE_LIMIT_FRAMES="2/h",
        DATABASE_URL=schema_url,
    )
    yield running.wait_ready()
    running.stop()


def counted(web, reason):
    text = httpx.get(f"{web.url}/metrics", headers=bearer(METRICS_TOKEN)).text
    found = re.search(rf'^synckairos_refusals_total{{reason="{reason}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def lines(web, **wanted):
    every = [json.loads(line) for line in web.output().splitlines()]
    return [line for line in every if all(line.get(name) == value for name, value in wanted.items())]


def refused(web, reason):
    return lines(web, event="refused", reason=str(reason))


def log_in(web, username):
    return httpx.post(f"{web.url}/v1/token", headers=BY_TLS, json={"username": username, "password": PASSWORD})


@pytest.mark.usefixtures("transactional_db")
def test_a_failed_login_is_seen_with_its_address_its_door_and_no_password(web):
    before = counted(web, Reason.FAILED_LOGIN)
    assert log_in(web, "mallory").status_code == 401
    line = refused(web, Reason.FAILED_LOGIN)[-1]
    assert (line["address"], line["route"], line["level"]) == ("203.0.113.7", "/v1/token", "warning")
    assert counted(web, Reason.FAILED_LOGIN) == before + 1
    assert PASSWORD not in web.output()


def test_the_token_doors_have_labels_of_their_own_in_the_metrics(web):
    httpx.post(f"{web.url}/v1/token/refresh", headers=BY_TLS | {"X-Forwarded-For": "203.0.113.9"}, json={})
    httpx.post(f"{web.url}/v1/token", headers=BY_TLS | {"X-Forwarded-For": "203.0.113.9"}, json={})
    text = httpx.get(f"{web.url}/metrics", headers=bearer(METRICS_TOKEN)).text
    for route in ("/v1/token", "/v1/token/refresh"):
        assert re.search(rf'^synckairos_http_requests_total{{method="POST",route="{route}",', text, re.MULTILINE)


@pytest.mark.usefixtures("transactional_db")
def test_a_failed_login_at_the_admin_is_seen(web):
    before = counted(web, Reason.FAILED_ADMIN_LOGIN)
    with httpx.Client(base_url=web.url, headers=BY_TLS | {"X-Forwarded-For": "203.0.113.8"}) as browser:
        form = browser.get("/admin/login/")
        cookie = form.headers["set-cookie"].partition(";")[0]
        hidden = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)[1]
        fields = {"username": "root", "password": PASSWORD, "csrfmiddlewaretoken": hidden}
        told = {"Cookie": cookie, "Referer": f"https://127.0.0.1:{web.port}/admin/login/"}
        assert browser.post("/admin/login/", data=fields, headers=told).status_code == 200
    assert refused(web, Reason.FAILED_ADMIN_LOGIN)[-1]["address"] == "203.0.113.8"
    assert counted(web, Reason.FAILED_ADMIN_LOGIN) == before + 1


@pytest.mark.usefixtures("transactional_db")
def test_a_limit_is_seen(web):
    before = counted(web, Reason.RATE_LIMIT)
    while log_in(web, "limited").status_code != 429:
        pass
    line = refused(web, Reason.RATE_LIMIT)[-1]
    assert (line["address"], line["route"]) == ("203.0.113.7", "/v1/token")
    assert counted(web, Reason.RATE_LIMIT) == before + 1


def test_bad_credentials_are_seen_at_doors_in_front_of_django_and_behind(web):
    before = counted(web, Reason.BAD_CREDENTIALS)
    for path in (SESSION, f"{SESSION}/poll", f"{SESSION}/stream", f"{SESSION}/summary"):
        assert httpx.get(f"{web.url}{path}", headers=BY_TLS | bearer("x.y.z")).status_code == 401
    assert counted(web, Reason.BAD_CREDENTIALS) == before + 4
    assert {line["address"] for line in refused(web, Reason.BAD_CREDENTIALS)} == {"203.0.113.7"}
    assert "x.y.z" not in web.output()


def test_a_bad_host_is_one_line_and_no_traceback(web):
    before = counted(web, Reason.BAD_HOST)
    for path in ("/admin/", "/nowhere", SESSION):
        assert httpx.get(f"{web.url}{path}", headers=BY_TLS | {"Host": "evil.example.com"}).status_code == 400
    seen = refused(web, Reason.BAD_HOST)[-3:]
    assert [(line["address"], line["host"]) for line in seen] == [("203.0.113.7", "evil.example.com")] * 3
    assert counted(web, Reason.BAD_HOST) == before + 3
    assert "Traceback" not in web.output()
    assert "DisallowedHost" not in web.output()


async def test_refused_sockets_are_seen(web, token):
    reasons = (Reason.BAD_CREDENTIALS, Reason.BAD_SOCKET, Reason.BAD_ORIGIN, Reason.PLAIN_HTTP, Reason.RATE_LIMIT)
    before = {reason: counted(web, reason) for reason in reasons}
    for address in (f"{SOCKET}&token=x.y.z", "/ws?sessionId=x"):
        with pytest.raises(ConnectionClosed):
            async with connect(f"{web.ws_url}{address}", additional_headers=BY_TLS) as socket:
                await socket.recv()
    for told in (BY_TLS | {"Origin": "https://evil.example.com"}, {"X-Forwarded-Proto": "http"}):
        with pytest.raises(InvalidStatus):
            await connect(f"{web.ws_url}{SOCKET}", additional_headers=told)
    async with connect(f"{web.ws_url}{SOCKET}", additional_headers=BY_TLS | bearer(token)) as socket:
        for _ in range(3):  # two are let through
            await socket.send('{"type": "PING"}')
        await socket.wait_closed()
    for reason in reasons:
        assert counted(web, reason) == before[reason] + 1, reason
        assert refused(web, reason), reason


def test_text_of_an_attacker_stays_on_one_log_line(web):
    with closing(Raw(web)) as raw:
        raw.send(b'GET /v1/time HTTP/1.1\r\nHost: a"b\x80,{}\r\nX-Forwarded-Proto: https\r\n\r\n')
        assert raw.refusal() == (400, "VALIDATION_ERROR")
    assert lines(web)  # every one of them is an object


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock of the log, which begins anew: `clock(1.0)`."""
    now = [1_000.0]
    monkeypatch.setattr(security_log.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(security_log, "_limiters", {reason: security_log._LineLimiter() for reason in Reason})

    def later(seconds):
        now[0] += seconds

    return later


def test_lines_of_each_reason_are_bounded_and_tell_of_those_left_out(clock, caplog):
    def said(reason):
        return [record.msg for record in caplog.records if record.msg.get("reason") == reason.value]

    before = security_log.metrics.REFUSALS.labels("bad_host")._value.get()
    for _ in range(1_000):
        security_log.log_refusal(Reason.BAD_HOST, "192.0.2.1")
    security_log.log_refusal(Reason.FAILED_LOGIN, "192.0.2.1")
    assert len(said(Reason.BAD_HOST)) == BURST
    assert len(said(Reason.FAILED_LOGIN)) == 1  # has a bound of its own
    clock(1.0)
    for _ in range(10):
        security_log.log_refusal(Reason.BAD_HOST, "192.0.2.1")
    assert [line.get("left_out") for line in said(Reason.BAD_HOST)[BURST:]] == [1_000 - BURST]
    security_log.log_omitted(Reason.BAD_HOST)
    security_log.log_omitted(Reason.BAD_HOST)
    assert [line.get("left_out") for line in said(Reason.BAD_HOST)[BURST:]] == [1_000 - BURST, 9]
    assert security_log.metrics.REFUSALS.labels("bad_host")._value.get() == before + 1_010


def test_an_address_is_hashed_with_a_key_unless_the_setting_is_whole(configure):
    configure(address_key=b"a" * 32)
    hashed = security_log.loggable_address("192.0.2.1")
    assert re.fullmatch("[0-9a-f]{16}", hashed)
    assert security_log.loggable_address("192.0.2.1") == hashed
    assert security_log.loggable_address("192.0.2.2") != hashed
    configure(address_key=b"b" * 32)
    assert security_log.loggable_address("192.0.2.1") != hashed
    configure(log_addresses_whole=True)
    assert security_log.loggable_address("192.0.2.1") == "192.0.2.1"
