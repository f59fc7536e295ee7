"""The REST interface: every request, and what it does when networks and servers fail."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import httpx
import pytest

from audit.drain import drain_all
from synckairos_client import Api, ApiError, Unreachable
from tests import servers
from tests.proxy import proxy_to
from tests.restoring import in_thread

ANSWER = {"data": {"version": 1}}


class Server:
    """Answers as it was told to, one after the other, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.requests]


def failure(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "No."}}, headers=headers)


@pytest.fixture
def waits(monkeypatch):
    """Waiting takes no time; how long it would have been is kept."""
    taken: list[float] = []
    sleep = asyncio.sleep

    async def skip(seconds: float) -> None:
        taken.append(seconds)
        await sleep(0)

    monkeypatch.setattr("synckairos_client.rest_client.asyncio.sleep", skip)
    return taken


def talking_to(server: Server, **options) -> Api:
    return Api("http://clock.example.com", "token", transport=httpx.MockTransport(server), **options)


async def test_a_token_for_one_session_is_given_and_taken_back(webs, token, game):
    async with Api(webs[0].url, token) as api:
        state = await api.create(game)
        session_id, seat = state["session_id"], state["participants"][0]["participant_id"]
        viewer = await api.issue_token(session_id, "viewer", lifetime_ms=60_000)
        player = await api.issue_token(session_id, "participant", participant_id=seat)
        for given in (viewer, player):
            async with Api(webs[1].url, given["token"]) as guest:
                assert (await guest.get(session_id))["version"] == 3  # both grants are versions
        await api.revoke_token(session_id, viewer["token_id"])
        await api.revoke_tokens(session_id)
        for given in (viewer, player):
            async with Api(webs[1].url, given["token"]) as guest:
                with pytest.raises(ApiError, match="UNAUTHENTICATED"):
                    await guest.get(session_id)


async def test_past_states_and_events_are_asked_for_as_the_server_wants_them():
    server = Server(*(httpx.Response(200, json=ANSWER) for _ in range(5)))
    east = timezone(timedelta(hours=2))
    async with talking_to(server) as api:
        await api.get("s")
        await api.get("s", at=datetime(2026, 11, 28, 19, 9, 6, 568_000, east))
        await api.get("s", sequence=7)
        await api.events("s")
        await api.events("s", after=3, limit=50)
    assert [request.url.raw_path.decode() for request in server.requests] == [
        "/v1/sessions/s",
        "/v1/sessions/s?at=2026-11-28T19%3A09%3A06.568000%2B02%3A00",
        "/v1/sessions/s?sequence=7",
        "/v1/sessions/s/events?after=0",
        "/v1/sessions/s/events?after=3&limit=50",
    ]


@pytest.mark.django_db(transaction=True)
async def test_the_past_of_a_session_is_read_from_the_audit(webs, token, game):
    async with Api(webs[0].url, token) as api:
        session_id = (await api.create(game))["session_id"]
        started = await api.start(session_id)
        await api.pause(session_id)
        await in_thread(drain_all)
        at = datetime.fromisoformat(started["session_started_at"])
        assert (await api.get(session_id, at=at))["status"] in {"running", "paused"}
        assert (await api.get(session_id, sequence=2))["status"] == "running"
        page = await api.events(session_id, limit=2)
        assert [event["type"] for event in page["events"]] == ["session.created", "session.started"]
        assert [e["sequence"] for e in (await api.events(session_id, after=page["next_after"]))["events"]] == [3]


async def test_a_whole_life_of_a_session(webs, token, staff_token, game):
    first = game["participants"][0]["participant_id"]
    async with Api(webs[0].url, token) as api, Api(webs[1].url, staff_token) as moderator:
        session_id = (await api.create(game))["session_id"]
        await api.add_participant(session_id, {"participant_id": str(uuid4()), "total_time_ms": 60_000})
        assert (await api.start(session_id, expected_version=2))["status"] == "running"
        await api.switch(session_id, current_participant_id=first)
        assert (await api.pause(session_id))["status"] == "paused"
        adjusted = await moderator.adjust(session_id, first, total_time_ms=5_000, reason="a bet")
        assert adjusted["participants"][0]["total_time_ms"] == 5_000
        await api.resume(session_id)
        assert (await api.summary(session_id))["version"] == 7
        assert (await api.complete(session_id))["status"] == "completed"
        with pytest.raises(ApiError, match="INVALID_STATE_TRANSITION") as refused:
            await api.cancel(session_id)
        assert refused.value.status == 400
        await api.delete(session_id)
        with pytest.raises(ApiError) as missing:
            await api.get(session_id)
        assert missing.value.code == "SESSION_NOT_FOUND"
        assert (await api.time())["timestamp_ms"] > 0


async def test_a_wrong_field_is_named(webs, token, game):
    async with Api(webs[0].url, token) as api:
        with pytest.raises(ApiError) as wrong:
            await api.create({**game, "increment_ms": -1})
    assert wrong.value.details[0]["field"] == "increment_ms"


async def test_a_command_whose_answer_is_lost_is_applied_once(webs, token, game):
    async with proxy_to(webs[0].port) as proxy, Api(f"http://127.0.0.1:{proxy.port}", token) as api:
        session_id = (await api.create(game))["session_id"]
        await api.start(session_id)
        proxy.lose_reply_to(b"/switch", times=2)
        assert (await api.switch(session_id))["version"] == 3
        assert proxy.lost == 2
        assert (await api.get(session_id))["cycle_number"] == 1


async def test_repeats_have_the_key_of_the_first_and_every_command_one_of_its_own(waits):
    lost = httpx.ReadError("gone")
    server = Server(
        lost,
        failure(503, "SERVICE_UNAVAILABLE"),
        *(httpx.Response(200, json=ANSWER) for _ in range(2)),
        httpx.Response(204),
    )
    async with talking_to(server) as api:
        await api.start("s")
        await api.start("s")
        await api.delete("s")
    assert len(set(server.keys[:3])) == 1
    assert len(set(server.keys)) == 3
    assert server.keys[-1] is None
    assert len(waits) == 2


async def test_a_list_of_sessions_is_filtered_and_continued():
    asked = []

    def answer(request):
        asked.append(dict(request.url.params))
        cursor = None if "cursor" in request.url.params else "x+/="
        return httpx.Response(200, json={"data": {"sessions": [], "next_cursor": cursor, "as_of": None}})

    async with talking_to(answer) as api:
        page = await api.list_sessions(label="room:r 7&x", limit=5)
        await api.list_sessions(cursor=page["next_cursor"])
    assert asked == [{"label": "room:r 7&x", "limit": "5"}, {"cursor": "x+/="}]


async def test_retry_after_is_honoured_and_waits_are_random_below_a_bound_otherwise(waits):
    server = Server(
        failure(429, "RATE_LIMIT_EXCEEDED", **{"Retry-After": "4"}),
        httpx.ConnectError("away"),
        httpx.Response(200, json=ANSWER),
    )
    async with talking_to(server) as api:
        await api.get("s")
    assert 4 <= waits[0] < 4.2
    assert waits[1] <= 0.5


async def test_no_wait_reaches_beyond_the_deadline(waits):
    server = Server(failure(503, "SERVICE_UNAVAILABLE", **{"Retry-After": "20"}))
    async with talking_to(server, deadline_s=15) as api:
        with pytest.raises(ApiError) as away:
            await api.get("s")
    assert away.value.retry_after_s == 20
    assert waits == []


async def test_a_server_that_is_not_there_is_unreachable_within_the_deadline(token):
    async with Api(f"http://127.0.0.1:{servers.free_port()}", token, deadline_s=0.3) as api:
        with pytest.raises(Unreachable, match="ConnectError"):
            await api.time()


async def test_what_would_fail_again_is_not_repeated():
    server = Server(failure(409, "CONFLICT"))
    async with talking_to(server) as api:
        with pytest.raises(ApiError, match="CONFLICT"):
            await api.switch("s")
    assert len(server.requests) == 1


async def test_an_error_that_a_proxy_made_is_an_error_all_the_same():
    async with talking_to(Server(httpx.Response(404, text="<html>"))) as api:
        with pytest.raises(ApiError) as odd:
            await api.get("s")
    assert (odd.value.code, odd.value.status) == ("HTTP_404", 404)


async def test_a_token_that_is_not_good_any_more_is_replaced_once():
    async def provider() -> str:
        return given.pop(0)

    given = ["old", "new"]
    server = Server(failure(401, "UNAUTHENTICATED"), httpx.Response(200, json=ANSWER))
    async with Api("http://clock.example.com", provider, transport=httpx.MockTransport(server)) as api:
        await api.get("s")
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


async def test_tokens_are_not_logged(webs, token, game, caplog):
    caplog.set_level(logging.DEBUG)
    async with Api(webs[0].url, token) as api:
        await api.create(game)
    assert caplog.text
    assert token not in caplog.text
