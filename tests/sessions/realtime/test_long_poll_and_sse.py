"""Long poll and event streams (docs/protocol.md), on real servers: the same news as a socket's, woken by the hub."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from redis.exceptions import ConnectionError as StoreAway

from sessions.hub.hub import stop_hub
from sessions.realtime.long_poll_and_sse import LongPollAndSse
from synckairos.conf import Rate
from synckairos.http.body_limits import BodyLimits
from synckairos.http.request_log import RequestLog
from synckairos.redis import client as redis_client
from synckairos.redis import scripts
from tests import servers
from tests.conftest import bearer
from tests.sockets import until_listened


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


@asynccontextmanager
async def client(web: servers.Web, token: str):
    async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as connected:
        yield connected


class Events:
    """An event stream, one event at a time."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> dict:
        """The next event: its fields, and its data decoded."""
        fields = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return {**fields, "data": json.loads(fields["data"])}
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def events(web, token, session_id, query="", **headers):
    async with client(web, token) as http:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with http.stream("GET", f"/v1/sessions/{session_id}/stream{query}", headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Events(answer)


def tag(version, api, session_id):
    """The tag of the session at a version."""
    return f'"v{version}-{api.get(f"/v1/sessions/{session_id}").json()["data"]["epoch"]}"'


async def test_a_poll_without_a_version_is_answered_at_once(webs, api, token, session_id):
    async with client(webs[0], token) as http:
        answer = await http.get(f"/v1/sessions/{session_id}/poll")
    assert answer.status_code == 200
    assert answer.json()["data"]["version"] == 1
    assert answer.headers["etag"] == tag(1, api, session_id)
    assert answer.headers["content-type"] == "application/json"


async def test_a_poll_waits_for_the_next_version_made_by_another_process(webs, api, other_api, token, session_id):
    async with client(webs[0], token) as http:
        waiting = asyncio.create_task(http.get(f"/v1/sessions/{session_id}/poll?since_version=1&wait_ms=30000"))
        await asyncio.to_thread(until_listened, session_id)
        assert not waiting.done()
        await asyncio.to_thread(other_api.post, f"/v1/sessions/{session_id}/start")
        answer = await asyncio.wait_for(waiting, 30)
    assert answer.json()["data"]["status"] == "running"
    assert answer.headers["etag"] == tag(2, api, session_id)
    assert answer.json()["data"] == other_api.get(f"/v1/sessions/{session_id}").json()["data"] | {
        "server_time_ms": answer.json()["data"]["server_time_ms"],
        "elapsed_ms": answer.json()["data"]["elapsed_ms"],
        "time_remaining_ms": answer.json()["data"]["time_remaining_ms"],
        "participants": answer.json()["data"]["participants"],
    }


def settled(measure) -> float:
    """What it shows when it no longer changes: metrics are written down a moment after the fact."""
    seen = []
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        seen.append(measure())
        time.sleep(0.05)
    return seen[-1]


async def test_a_poll_does_not_read_the_store_while_it_waits(webs, api, token, session_id):
    def loads() -> float:
        lines = api.get("/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith('synckairos_store_seconds_count{script="load"}')]
        return float(line.split()[-1])

    async with client(webs[0], token) as http:
        waiting = asyncio.create_task(http.get(f"/v1/sessions/{session_id}/poll?since_version=1&wait_ms=700"))
        await asyncio.to_thread(until_listened, session_id)
        before = await asyncio.to_thread(settled, loads)
        assert (await waiting).status_code == 304
    assert loads() == before


async def test_a_poll_in_vain_is_304(webs, api, token, session_id):
    async with client(webs[0], token) as http:
        answer = await http.get(f"/v1/sessions/{session_id}/poll?since_version=1&wait_ms=50")
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == tag(1, api, session_id)


async def test_a_poll_that_knows_another_epoch_is_answered_at_once(webs, token, session_id):
    async with client(webs[0], token) as http:
        answer = await http.get(f"/v1/sessions/{session_id}/poll?since_version=1&epoch=00000000")
    assert answer.status_code == 200


async def test_a_poll_ends_with_404_when_the_session_is_deleted(webs, other_api, token, session_id):
    async with client(webs[0], token) as http:
        waiting = asyncio.create_task(http.get(f"/v1/sessions/{session_id}/poll?since_version=1"))
        await asyncio.to_thread(until_listened, session_id)
        await asyncio.to_thread(other_api.delete, f"/v1/sessions/{session_id}")
        answer = await asyncio.wait_for(waiting, 30)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "SESSION_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/sessions/00000000-0000-4000-8000-000000000000/poll", 404, "SESSION_NOT_FOUND"),
        ("/v1/sessions/nonsense/poll", 400, "VALIDATION_ERROR"),
        ("/v1/sessions/nonsense/stream", 400, "VALIDATION_ERROR"),
        ("/v1/sessions/{id}/poll?since_version=-1", 400, "VALIDATION_ERROR"),
        ("/v1/sessions/{id}/poll?since_version=1e3", 400, "VALIDATION_ERROR"),
        ("/v1/sessions/{id}/poll?since_version=", 400, "VALIDATION_ERROR"),
        (f"/v1/sessions/{{id}}/poll?since_version={'9' * 5000}", 400, "VALIDATION_ERROR"),
        ("/v1/sessions/{id}/poll?wait_ms=30001", 400, "VALIDATION_ERROR"),
        (f"/v1/sessions/{{id}}/poll?since_version=1&wait_ms={'0' * 20}99999999", 400, "VALIDATION_ERROR"),
        (f"/v1/sessions/{{id}}/poll?since_version=1&wait_ms={'0' * 4_400}", 400, "VALIDATION_ERROR"),
    ],
)
def test_a_fallback_asked_wrongly_says_what_is_wrong(api, session_id, path, status, code):
    answer = api.get(path.replace("{id}", session_id))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("door", ["poll", "stream"])
def test_a_fallback_without_credentials_is_401_and_takes_only_get(api, session_id, door):
    path = f"/v1/sessions/{session_id}/{door}"
    for token in ("", "Bearer x.y.z", "Basic abc"):
        refused = api.get(path, headers={"Authorization": token})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
        assert refused.headers["www-authenticate"] == "Bearer"
    wrong = api.post(path)
    assert (wrong.status_code, wrong.json()["error"]["code"], wrong.headers["allow"]) == (
        405, "METHOD_NOT_ALLOWED", "GET",
    )  # fmt: skip


async def test_a_stream_has_the_frames_of_a_socket_and_an_id_for_each_state(webs, api, token, session_id):
    async with events(webs[1], token, session_id) as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        first = await stream.next()
        assert first["data"]["type"] == "CONNECTED"
        epoch = first["data"]["epoch"]
        assert first["id"] == f"1:{epoch}"
        api.post(f"/v1/sessions/{session_id}/start")
        second = await stream.next()
        assert (second["id"], second["data"]["type"]) == (f"2:{epoch}", "STATE_UPDATE")
        assert second["data"]["events"][0]["type"] == "session.started"


async def test_a_stream_goes_on_where_it_was_left(webs, api, token, session_id):
    async with events(webs[0], token, session_id) as stream:
        left = (await stream.next())["id"]
    for verb in ("start", "switch"):
        api.post(f"/v1/sessions/{session_id}/{verb}")
    async with events(webs[0], token, session_id, Last_Event_ID=left) as stream:
        sync = (await stream.next())["data"]
    assert (sync["type"], sync["recovered"], sync["version"]) == ("STATE_SYNC", True, 3)
    assert [event["type"] for event in sync["missed"]] == ["session.started", "cycle.switched"]


async def test_a_stream_goes_on_from_an_id_in_its_address_unless_the_header_has_a_newer_one(
    webs, api, token, session_id
):
    """As event-source-polyfill asks again, which gives up for good when it is refused."""
    async with events(webs[0], token, session_id) as stream:
        left = (await stream.next())["id"]
        api.post(f"/v1/sessions/{session_id}/start")
        newer = (await stream.next())["id"]
    again = f"?lastEventId={quote(left)}"
    async with events(webs[0], token, session_id, again) as stream:
        sync = (await stream.next())["data"]
        assert (sync["type"], sync["recovered"], len(sync["missed"])) == ("STATE_SYNC", True, 1)
    async with events(webs[0], token, session_id, again, Last_Event_ID=newer) as stream:
        assert (await stream.next())["data"]["missed"] == []


@pytest.mark.parametrize("left", ["1", "1:00000000", "nonsense", "", f"{'9' * 5000}:x", "-1:x"])
async def test_a_stream_that_can_prove_nothing_begins_with_the_whole_state(webs, api, token, session_id, left):
    api.post(f"/v1/sessions/{session_id}/start")
    async with events(webs[0], token, session_id, Last_Event_ID=left) as stream:
        sync = (await stream.next())["data"]
    assert (sync["type"], sync["recovered"], sync["missed"], sync["version"]) == ("STATE_SYNC", False, [], 2)


async def test_a_stream_tells_of_a_session_that_comes_and_goes(webs, api, token, game):
    session_id = str(uuid4())
    async with events(webs[0], token, session_id) as stream:
        first = await stream.next()
        assert first["data"]["state"] is None
        assert "id" not in first
        api.post("/v1/sessions", json={**game, "session_id": session_id})
        assert (await stream.next())["data"]["version"] == 1
        api.delete(f"/v1/sessions/{session_id}")
        assert (await stream.next())["data"]["type"] == "SESSION_DELETED"
        last = await stream.next()
        assert (last["event"], last["data"]) == ("close", {"code": 1000, "reason": "Session deleted"})
        with pytest.raises(AssertionError, match="has ended"):
            await stream.next()


async def test_a_stream_takes_the_token_from_the_address_for_browsers(webs, token, session_id):
    path = f"/v1/sessions/{session_id}/stream?token={token}"
    async with httpx.AsyncClient(base_url=webs[0].url, verify=False) as http, http.stream("GET", path) as answer:
        assert (await Events(answer).next())["data"]["type"] == "CONNECTED"
    assert token not in webs[0].output()


async def test_a_stream_that_nobody_reads_is_given_up(game, token):
    web = servers.web(SYNCKAIROS_SEND_TIMEOUT_S="1").wait_ready()
    try:
        async with client(web, token) as http:
            body = {**game, "metadata": {"filling": "x" * 3_500}}
            session_id = (await http.post("/v1/sessions", json=body)).json()["data"]["session_id"]
            await http.post(f"/v1/sessions/{session_id}/start")
            narrow = socket.socket()
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            narrow.connect(("127.0.0.1", web.port))
            _reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
            writer.transport.pause_reading()
            head = f"GET /v1/sessions/{session_id}/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}"
            writer.write(f"{head}\r\n\r\n".encode())

            async def streams() -> float:
                text = (await http.get("/metrics")).text
                return float(next(x for x in text.splitlines() if x.startswith("synckairos_streams ")).split()[-1])

            async with asyncio.timeout(30):
                while not await streams():
                    pass
                while await streams():
                    (await http.post(f"/v1/sessions/{session_id}/switch")).raise_for_status()
            writer.transport.abort()
    finally:
        web.stop()
    assert "Traceback" not in web.output()


@pytest.mark.parametrize("door", ["poll", "stream"])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_fault_of_a_fallback_has_the_documented_answer(configure, monkeypatch, token, door, status):
    async def fail(*_args):
        raise (StoreAway if status == 503 else RuntimeError)("secret")

    if status == 429:
        configure(rate_general=Rate(1, 3_600_000))
    else:
        monkeypatch.setattr(scripts, "_eval", fail)
        configure(rate_general=Rate(100, 60_000))
    transport = httpx.ASGITransport(RequestLog(BodyLimits(LongPollAndSse(None))))
    async with httpx.AsyncClient(base_url="http://localhost", headers=bearer(token), transport=transport) as http:
        if status == 429:
            await http.get(f"/v1/sessions/{uuid4()}/poll")
        answer = await http.get(f"/v1/sessions/{uuid4()}/{door}")
    code = {429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 503: "SERVICE_UNAVAILABLE"}[status]
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "secret" not in answer.text
    await stop_hub()
    await redis_client.close_async_client()


async def test_a_stream_followed_by_another_request_on_the_same_connection_ends_with_it(webs, api, token, session_id):
    reader, writer = await asyncio.open_connection("127.0.0.1", webs[0].port)
    head = f"GET /v1/sessions/{session_id}/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode() + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readuntil(b"CONNECTED")
    writer.transport.abort()
    api.post(f"/v1/sessions/{session_id}/start")

    def has_ended() -> bool:
        """Reading is paused behind the second request: only writing shows that nobody is there."""
        api.post(f"/v1/sessions/{session_id}/switch")
        return "synckairos_streams 0.0" in api.get("/metrics").text.splitlines()

    await asyncio.to_thread(servers.wait_until, has_ended, 30, "the stream has ended")
