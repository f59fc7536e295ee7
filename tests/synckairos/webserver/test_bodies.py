"""What comes after a head: bodies in pieces, trailers, and requests that follow each other closely."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from synckairos.auth.principal import mint
from tests import servers
from tests.conftest import client_of
from tests.raw import Raw
from tests.synckairos.webserver.test_bounds import SHORT, UPGRADE
from tests.talk import created

TOKEN = mint("alice", is_staff=False)
CREDENTIALS = f"Authorization: Bearer {TOKEN}\r\n"
CHUNKED = (
    "POST /v1/sessions/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
)
CHUNKS = '5\r\n{"a":\r\n2\r\n1}\r\n0\r\n'


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A web process that waits for nobody, but an hour for who has been answered."""
    clock = tmp_path_factory.mktemp("clock") / "clock"
    web = servers.clocked_web(clock, "synckairos.webserver.http_protocol._LINGER_S=3600", **SHORT)
    yield web.wait_ready()
    web.stop()


@pytest.fixture(scope="module")
def proxied():
    web = servers.web(SYNCKAIROS_TRUSTED_PROXIES="127.0.0.0/8", RATE_LIMIT_GENERAL="1/h")
    yield web.wait_ready()
    web.stop()


@pytest.fixture
def raw(hasty):
    with closing(Raw(hasty)) as connection:
        yield connection


def is_cut_off(raw, text, times):
    """Whether the server ends a connection on which this is sent again and again."""
    try:
        for _ in range(times):
            raw.send(text)
    except ConnectionError:
        return True
    return raw.is_over()


@pytest.mark.parametrize("beginning", ["0\r\nX-A: ", "0\r\nX-A: 1\r\nX-B: ", "5;extension="])
def test_what_brings_nothing_is_not_listened_to_for_long(raw, hasty, beginning):
    """The parser would put a trailer together piece by piece, and nobody else would be served meanwhile."""
    raw.send(CHUNKED + CREDENTIALS + "\r\n" + beginning)
    assert is_cut_off(raw, "x" * 8_192, times=400)
    assert httpx.get(f"{hasty.url}/health", timeout=30).status_code == 200


def test_neither_is_it_once_the_request_is_answered(raw, hasty):
    raw.send(CHUNKED + "".join(f"X-{n}: 1\r\n" for n in range(100)) + "\r\n")
    assert raw.refusal() == (431, "HEADERS_TOO_LARGE")
    assert is_cut_off(raw.send("0\r\nX-A: "), "x" * 8_192, times=400)
    assert httpx.get(f"{hasty.url}/health", timeout=30).status_code == 200


def test_a_body_that_is_nearly_all_framing_is_not_listened_to_for_long(raw):
    raw.send(CHUNKED + CREDENTIALS + "\r\n")
    assert is_cut_off(raw, f"1;{'x' * 8_192}\r\n \r\n", times=2_000)


def test_a_body_in_many_small_pieces_is_a_body(raw):
    pieces = "".join(f"1\r\n{letter}\r\n" for letter in '{"session_ids": ["' + "x" * 20_000 + '"]}')
    assert raw.send(CHUNKED + CREDENTIALS + "\r\n" + pieces + "0\r\n\r\n").refusal() == (400, "VALIDATION_ERROR")


def test_a_trailer_is_no_header(raw):
    assert raw.send(CHUNKED + "\r\n" + CHUNKS + CREDENTIALS + "\r\n").refusal() == (401, "UNAUTHENTICATED")
    assert raw.send(CHUNKED + CREDENTIALS + "\r\n" + CHUNKS + "\r\n").refusal() == (400, "VALIDATION_ERROR")


def test_a_trailer_says_nothing_of_where_a_request_comes_from(proxied):
    """The second stranger from an address is turned away, whatever addresses the trailers name."""
    assert [stranger(proxied, trailer_address=f"198.51.100.{n}") for n in (1, 2)] == [401, 429]


def stranger(web, trailer_address):
    """The status of a request without credentials, always from the same address by its head."""
    head = CHUNKED + "X-Forwarded-For: 203.0.113.77\r\n\r\n"
    with closing(Raw(web)) as raw:
        return raw.send(f"{head}{CHUNKS}X-Forwarded-For: {trailer_address}\r\n\r\n").answer()[0]


def test_an_offer_of_another_protocol_may_have_a_body(raw):
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert raw.send(CHUNKED + CREDENTIALS + offer + "\r\n" + CHUNKS + "\r\n").refusal() == (400, "VALIDATION_ERROR")
    assert raw.send(CHUNKED + offer + "\r\n" + CHUNKS + "\r\n").refusal() == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("field", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_handshake_has_no_body(raw, field):
    assert raw.get("/ws", *UPGRADE, field).refusal() == (400, "VALIDATION_ERROR")


def test_a_request_that_follows_closely_has_all_the_time_it_asks_for(raw, hasty):
    with client_of(hasty, TOKEN) as api:
        session_id = created(api)["session_id"]
    poll = f"/v1/sessions/{session_id}/poll?since_version=1&wait_ms=2500"  # longer than a connection may be idle
    head = f"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET {poll} HTTP/1.1\r\nHost: x\r\n{CREDENTIALS}\r\n"
    raw.send(head)
    assert raw.answer()[0] == 200
    assert raw.answer()[0] == 304


def test_a_head_that_is_late_does_not_end_the_answer_before_it(raw, hasty):
    with client_of(hasty, TOKEN) as api:
        session_id = created(api)["session_id"]
    raw.get(f"/v1/sessions/{session_id}/poll?since_version=1&wait_ms=1200", CREDENTIALS.strip())
    raw.send("GET /health HTTP/1.1\r\nHost")
    assert raw.answer()[0] == 304
    assert raw.refusal() == (408, "REQUEST_TIMEOUT")
