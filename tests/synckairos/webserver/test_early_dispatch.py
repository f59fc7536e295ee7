"""Requests for the first door, however they come: each is answered once, in its turn, by whoever it is for."""

from __future__ import annotations

from contextlib import closing

import pytest

from synckairos.auth.principal import mint
from synckairos.keyed_hash import log_name
from tests import servers
from tests.conftest import client_of
from tests.raw import Raw
from tests.talk import at, created, done

TOKEN = mint("alice", is_staff=False)


def request(method, path, body=b"", *fields):
    """A whole request as it goes over the wire, with credentials."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", *fields]
    if method == "POST" and not any(field.startswith("Transfer-Encoding") for field in fields):
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture(scope="module")
def web():
    """One that writes its access log."""
    server = servers.web(SYNCKAIROS_LOG_LEVEL="INFO").wait_ready()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def hasty_web():
    """One that does not wait long for a body."""
    server = servers.web(SYNCKAIROS_BODY_TIMEOUT_S="0.5", SYNCKAIROS_LOG_LEVEL="INFO").wait_ready()
    yield server
    server.stop()


@pytest.fixture
def hasty(hasty_web):
    with closing(Raw(hasty_web)) as connection:
        yield connection


@pytest.fixture
def api(web):
    with client_of(web, TOKEN) as client:
        yield client


@pytest.fixture
def raw(web):
    with closing(Raw(web)) as connection:
        yield connection


@pytest.fixture
def running(api):
    state = created(api)
    done(api.post(at(state, "start")))
    return state


def test_requests_that_come_together_on_one_connection_are_answered_in_their_order(raw, running):
    switch = request("POST", at(running, "switch"))
    asked = [
        switch,
        request("GET", at(running)),
        request("GET", "/health"),  # not for the first door
        request("POST", at(running, "start")),  # refused
        request("POST", at(running, "switch"), b'{"nonsense": 1}'),  # for the view
        switch,
        request("POST", "/v1/sessions", b'{"sync_mode": "count_up"}'),
    ]
    raw.send(b"".join(asked))
    answers = [raw.answer() for _ in asked]
    assert [status for status, _, _ in answers] == [200, 200, 200, 400, 400, 200, 201]
    assert [answers[place][2]["data"]["version"] for place in (0, 1, 5, 6)] == [3, 3, 4, 1]
    assert answers[3][2]["error"]["code"] == "INVALID_STATE_TRANSITION"


@pytest.mark.parametrize("cut", [-1, -2, -20], ids=["all but a byte", "all but two", "the head alone"])
def test_a_body_may_come_later_than_its_head(raw, running, cut):
    asked = request("POST", at(running, "switch"), b'{"expected_version":2}')
    raw.send(asked[:cut]).until_read()
    assert not raw.has_news(0)
    raw.send(asked[cut:])
    assert raw.answer()[2]["data"]["version"] == 3


def test_a_body_in_chunks_is_a_body(raw, running):
    asked = request(
        *("POST", at(running, "switch"), b"16\r\n"),
        *("Content-Type: application/json", "Transfer-Encoding: chunked"),
    )
    raw.send(asked)
    raw.send(b'{"expected_version":2}\r\n0\r\n\r\n')
    assert raw.answer()[2]["data"]["version"] == 3


def test_a_body_that_does_not_come_is_not_waited_for(hasty, running, api):
    hasty.send(request("POST", at(running, "switch"), b'{"expected_version":2}')[:-1])
    assert hasty.refusal() == (408, "REQUEST_TIMEOUT")
    assert done(api.get(at(running)))["version"] == 2


def test_the_log_says_how_long_a_refusal_took(hasty_web, hasty, running):
    hasty.send(request("POST", at(running, "switch"), b"{}", "X-Request-ID: late-body")[:-1])
    assert hasty.refusal() == (408, "REQUEST_TIMEOUT")
    servers.wait_until(lambda: "request_id=late-body" in hasty_web.output(), 30, "the access log has it")
    (line,) = [line for line in hasty_web.output().splitlines() if "request_id=late-body" in line]
    assert float(line.partition(" ms=")[2].split()[0]) >= 490


def test_of_two_that_come_together_the_second_may_be_unfinished(raw, hasty, running):
    second = request("POST", at(running, "switch"), b'{"expected_version":3}')
    raw.send(request("POST", at(running, "switch")) + second[:-5])
    assert raw.answer()[2]["data"]["version"] == 3
    raw.send(second[-5:])
    assert raw.answer()[2]["data"]["version"] == 4
    hasty.send(request("POST", at(running, "switch")) + second[:-5])
    assert hasty.answer()[2]["data"]["version"] == 5
    assert hasty.refusal() == (408, "REQUEST_TIMEOUT")


def test_who_leaves_before_the_body_is_there_leaves_nothing_behind(web, running, api):
    with closing(Raw(web)) as leaver:
        leaver.send(request("POST", at(running, "switch"), b'{"expected_version":2}')[:-1])
        leaver.until_read()
        assert not leaver.has_news(0)
    said = f"path={at(running, 'switch')} status=499"
    servers.wait_until(lambda: said in web.output(), 30, "the access log says that the client has left")
    assert done(api.get(at(running)))["version"] == 2


def test_a_client_that_asks_first_is_told_to_go_on(raw, running):
    raw.send(request("POST", at(running, "switch"), b"{}", "Expect: 100-continue")[:-2])
    assert raw.file.readline() + raw.file.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(b"{}")
    assert raw.answer()[2]["data"]["version"] == 3


def test_a_connection_that_is_to_be_closed_is_closed_after_its_answer(raw, running):
    raw.send(request("POST", at(running, "switch"), b"", "Connection: close"))
    status, fields, _ = raw.answer()
    assert (status, fields["connection"]) == (200, "close")
    assert raw.is_over()


def test_a_request_keeps_its_id_whoever_answers_it(web, api, running):
    for verb, status in (("switch", 200), ("start", 400)):
        answer = api.post(at(running, verb), headers={"X-Request-ID": f"turn-{verb}"})
        assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, [f"turn-{verb}"])
        servers.wait_until(lambda verb=verb: f"request_id=turn-{verb}" in web.output(), 30, "the access log has it")
        (line,) = [line for line in web.output().splitlines() if f"request_id=turn-{verb}" in line]
        assert f"status={status}" in line
        assert f"session_id={running['session_id']}" in line
        assert f"principal={log_name('alice')}" in line
