"""Exports over REST: for staff only, whole, in every format, and ended when the client goes away."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.http import StreamingHttpResponse

from audit.models import SyncEvent
from synckairos.http.streaming import send_stream
from tests.conftest import bearer
from tests.outboxes import History, drained, post
from tests.talk import INSTANT, at, created, refused, wrong_fields

EXPORT = "/v1/exports/events"
database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def written(transactional_db):
    """Two sessions in the audit."""
    histories = [History().played(8), History()]
    post(*(entry for history in histories for entry in history.entries))
    drained()
    return [str(history.state.session_id) for history in histories]


def test_staff_export_all_events(staff_api, written):
    answer = staff_api.get(EXPORT)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="events.csv"'
    assert INSTANT.fullmatch(answer.headers["x-as-of"])
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["session_id"] for row in rows} == set(written)
    assert len(rows) == SyncEvent.objects.count()


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("csv", b"session_id,"), ("jsonl", b'{"session_id":'), ("parquet", b"PAR1"), ("influx", b"sync"), ("pgn", b"[Ev")],
)
def test_every_format_can_be_had(staff_api, written, name, beginning):
    answer = staff_api.get(EXPORT, params={"format": name, "session_id": written[0]})
    assert answer.status_code == 200
    assert answer.content.startswith(beginning)


@pytest.mark.parametrize(("filters", "count"), [({"status": "running"}, 1), ({"user_id": "nobody"}, 0), ({}, 2)])
def test_filters_are_those_of_lists(staff_api, written, filters, count):
    rows = csv.DictReader(io.StringIO(staff_api.get(EXPORT, params=filters).text))
    assert len({row["session_id"] for row in rows}) == count


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("format", "xml"), ("session_id", "1"), ("since", "now"), ("until", "x"), ("status", "odd")),
        *(("limit", "5"), ("label", "a:b")),
    ],
)
def test_a_wrong_parameter_is_named(staff_api, name, value):
    assert wrong_fields(staff_api.get(EXPORT, params={name: value})) == [name]


@database
def test_only_staff_export(api, webs):
    refused(api.get(EXPORT), 403, "FORBIDDEN")
    token = api.post(at(created(api), "tokens"), json={"role": "controller"}).json()["data"]["token"]
    refused(httpx.get(webs[0].url + EXPORT, headers=bearer(token), verify=False), 403, "FORBIDDEN")
    refused(httpx.get(webs[0].url + EXPORT, verify=False), 401, "UNAUTHENTICATED")


class Client:
    """A client that goes away after some parts."""

    def __init__(self, leaves_after):
        self.left, self.leaves_after, self.sent = asyncio.Event(), leaves_after, []

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, event):
        self.sent.append(event)
        if len(self.sent) > self.leaves_after:
            self.left.set()
            await asyncio.sleep(0)


class Parts:
    """A body without an end, which knows when it was closed."""

    def __init__(self):
        self.made, self.is_closed, self.threads = 0, threading.Event(), set()

    def __iter__(self):
        return self

    def __next__(self):
        self.made += 1
        self.threads.add(threading.current_thread())
        return b"x"

    def close(self):
        self.is_closed.set()


@pytest.mark.asyncio
async def test_a_client_that_goes_away_ends_the_export():
    parts, client = Parts(), Client(leaves_after=3)
    with ThreadPoolExecutor(2) as threads:
        async with asyncio.timeout(60):
            await send_stream(StreamingHttpResponse(parts), client.receive, client.send, threads)
    assert parts.is_closed.is_set()
    assert parts.made <= 5
    assert threading.current_thread() not in parts.threads
    assert client.sent[-1]["more_body"] is True  # the body is not said to be whole


@pytest.mark.asyncio
async def test_an_export_that_fails_is_not_said_to_be_whole():
    def failing():
        yield b"x"
        raise RuntimeError("broken")

    client = Client(leaves_after=100)
    with ThreadPoolExecutor(2) as threads, pytest.raises(RuntimeError):
        await send_stream(StreamingHttpResponse(failing()), client.receive, client.send, threads)
    assert [event.get("more_body") for event in client.sent] == [None, True]
