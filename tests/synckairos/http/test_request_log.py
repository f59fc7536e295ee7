"""RequestLog and BodyLimits around applications that misbehave."""

from __future__ import annotations

import logging

import httpx
import pytest

from synckairos.http.body_limits import BodyLimits
from synckairos.http.request_log import RequestLog
from tests.talk import refused

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def through(inner, method="POST", **request):
    """Return the response of an application within RequestLog and BodyLimits."""
    transport = httpx.ASGITransport(RequestLog(BodyLimits(inner)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
        return await client.request(method, "/", **request)


async def echo(scope, receive, send):
    """Answers with the declared length and the body that it was given."""
    event = await receive()
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b",".join(lengths) + b":" + event["body"]})


async def pieces(*parts):
    for part in parts:
        yield part


async def test_a_body_arrives_whole_and_with_its_length():
    assert (await through(echo, content=b"abc")).content == b"3:abc"
    assert (await through(echo, content=pieces(b"ab", b"", b"cd"))).content == b"4:abcd"
    assert (await through(echo, "GET")).content == b":"


async def test_an_application_that_fails_is_answered_for():
    async def fail(scope, receive, send):
        raise RuntimeError("secret")

    answer = await through(fail)
    refused(answer, 500, "INTERNAL_ERROR")
    assert answer.headers["x-request-id"]
    assert "secret" not in answer.text


async def test_an_application_that_fails_halfway_is_not_answered_for_twice():
    sent = []

    async def fail(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    async def send(event):
        sent.append(event["type"])

    await RequestLog(BodyLimits(fail))(scope(), receiving({"type": "http.request", "body": b""}), send)
    assert sent == ["http.response.start"]


async def test_a_client_that_disconnects_within_its_body_gets_no_response():
    sent, reached = [], []

    async def inner(scope, receive, send):
        reached.append(scope)

    first = {"type": "http.request", "body": b"{", "more_body": True}
    await RequestLog(BodyLimits(inner))(scope(), receiving(first, {"type": "http.disconnect"}), sent.append)
    assert (sent, reached) == ([], [])


async def test_after_the_body_the_application_receives_the_later_events():
    heard = []

    async def inner(scope, receive, send):
        heard.extend([await receive(), await receive()])

    body = {"type": "http.request", "body": b"x", "more_body": False}
    gone = {"type": "http.disconnect"}
    await RequestLog(BodyLimits(inner))(scope(), receiving(body, gone), heard.append)
    assert heard == [body, gone]


def scope():
    return {"type": "http", "method": "POST", "path": "/", "headers": []}


def receiving(*events):
    """An ASGI `receive` that gives these."""
    waiting = list(events)

    async def receive():
        return waiting.pop(0)

    return receive
