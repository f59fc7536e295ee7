"""What a connection may ask of a web process, on a real one: sizes are refused by name, and slowness ends."""

from __future__ import annotations

import time
from contextlib import closing

import httpx
import pytest

from tests import servers
from tests.raw import Raw
from tests.talk import JSON

SHORT = {"SYNCKAIROS_HEAD_TIMEOUT_S": "1", "SYNCKAIROS_BODY_TIMEOUT_S": "0.5", "SYNCKAIROS_KEEP_ALIVE_S": "2"}
UPGRADE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
POST = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A web process that waits for nobody."""
    clock = tmp_path_factory.mktemp("clock") / "clock"
    web = servers.clocked_web(clock, "synckairos.webserver.http_protocol._LINGER_S=1", **SHORT)
    yield web.wait_ready()
    web.stop()


@pytest.fixture
def raw(webs):
    with closing(Raw(webs[0])) as connection:
        yield connection


@pytest.fixture
def impatient(hasty):
    with closing(Raw(hasty)) as connection:
        yield connection


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_may_have_16_kib(raw):
    assert raw.get("/health?" + "q" * (16 * 1024 - 8)).answer()[0] == 200
    assert raw.get("/health?" + "q" * (16 * 1024 - 7)).refusal() == (414, "ADDRESS_TOO_LONG")
    assert raw.get().answer()[0] == 200


def test_a_request_may_have_a_hundred_headers(raw):
    assert raw.get("/health", *(f"X-{n}: 1" for n in range(99))).answer()[0] == 200
    assert raw.get("/health", *(f"X-{n}: 1" for n in range(100))).refusal() == (431, "HEADERS_TOO_LARGE")
    assert raw.get().answer()[0] == 200


def test_a_head_may_have_32_kib(raw):
    big = "x" * (32 * 1024 - 100)
    assert raw.get("/health", f"X-Big: {big}").answer()[0] == 200
    assert raw.get("/health", f"X-Big: {big}{big[:100]}").refusal() == (431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("end", ["", "X-Next: 1\r\n"])
def test_a_head_without_an_end_is_refused_when_it_is_too_large(raw, end):
    raw.send("GET /health HTTP/1.1\r\nHost: x\r\n" + end + "X-Big: ")
    for _ in range(8):
        raw.send("x" * 8 * 1024)
        time.sleep(0.02)
    assert raw.refusal() == (431, "HEADERS_TOO_LARGE")
    assert raw.is_over()


def test_an_address_without_an_end_is_refused_when_it_is_too_long(raw):
    assert raw.send("GET /" + "x" * 20_000).refusal() == (414, "ADDRESS_TOO_LONG")
    assert raw.is_over()


def test_a_handshake_with_too_many_headers_opens_no_socket(raw):
    assert raw.get("/ws", *UPGRADE, *(f"X-{n}: 1" for n in range(100))).refusal() == (431, "HEADERS_TOO_LARGE")


def test_what_is_no_http_is_refused_and_heard_no_more(raw):
    assert raw.send("GET /health HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n").refusal() == (400, "VALIDATION_ERROR")
    assert raw.is_over()


def test_a_body_may_nest_128_levels(api):
    for depth in (127, 128):
        answer = api.post("/v1/sessions", content=b'{"metadata":' * depth + b"[]" + b"}" * depth, headers=JSON)
        problem = answer.json()["error"]["details"][0]
        assert (problem == {"field": "body", "message": "At most 128 levels of nesting."}) == (depth == 128)


def say_until_it_is_over(raw, text):
    """Send this again and again until nobody takes it."""
    try:
        while True:
            raw.send(text)
            time.sleep(0.05)
    except ConnectionError:
        return


# ── slowness ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_says_nothing_is_cut_off(impatient):
    began = time.monotonic()
    assert impatient.is_over()
    assert time.monotonic() - began > 0.9


def test_a_head_that_comes_byte_by_byte_is_given_up(impatient):
    impatient.send("GET /health HTTP/1.1\r\nX-Slow: ")
    while not impatient.has_news(0.1):
        impatient.send("x")
    assert impatient.refusal() == (408, "REQUEST_TIMEOUT")


def test_a_body_that_comes_byte_by_byte_is_given_up(impatient, token):
    impatient.send(f"{POST}Authorization: Bearer {token}\r\nContent-Length: 5000\r\n\r\n{{")
    assert impatient.refusal() == (408, "REQUEST_TIMEOUT")


def test_a_second_request_has_as_little_time_as_the_first(impatient):
    assert impatient.get().answer()[0] == 200
    assert impatient.send("GET /").refusal() == (408, "REQUEST_TIMEOUT")
    assert impatient.is_over()


def test_neither_has_one_that_began_beside_the_first(impatient):
    impatient.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /")
    assert impatient.answer()[0] == 200
    while not impatient.has_news(0.1):
        impatient.send("x")
    assert impatient.refusal() == (408, "REQUEST_TIMEOUT")


def test_an_idle_connection_is_closed(impatient):
    assert impatient.get().answer()[0] == 200
    began = time.monotonic()
    assert impatient.is_over()
    assert time.monotonic() - began > 1.8


def test_lines_without_a_request_do_not_hold_a_connection(impatient):
    assert impatient.get().answer()[0] == 200
    say_until_it_is_over(impatient, "\r\n")


def test_a_body_that_is_refused_may_come_to_its_end_and_the_connection_goes_on(raw):
    raw.send(f"{POST}Content-Length: 300000\r\n\r\n")
    assert raw.refusal() == (413, "PAYLOAD_TOO_LARGE")
    assert raw.send(b" " * 300_000).get().answer()[0] == 200


def test_a_refused_body_without_an_end_holds_no_connection(impatient):
    impatient.send(f"{POST}Transfer-Encoding: chunked\r\n\r\n")
    say_until_it_is_over(impatient, b"10000\r\n" + b" " * 65_536 + b"\r\n")


def test_slow_requests_hold_up_nobody(hasty):
    slow = [Raw(hasty).send("GET /") for _ in range(50)]
    assert httpx.get(f"{hasty.url}/health").status_code == 200
    assert {connection.refusal() for connection in slow} == {(408, "REQUEST_TIMEOUT")}
    for connection in slow:
        connection.close()


def test_a_connection_that_becomes_a_socket_is_not_closed_as_an_idle_request(impatient):
    assert impatient.get().answer()[0] == 200
    impatient.get("/ws", *UPGRADE)
    assert b" 101 " in impatient.file.readline()
