"""A rolling restart behind an nginx with its default settings: two processes, 20 switches a second and 50 sockets. No
request fails, no client misses a state."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests import nginx, servers
from tests.conftest import bearer
from tests.following import Follower

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), nginx.required]

SESSIONS = 10
SOCKETS = 50
SWITCHES_PER_S = 20
PATIENCE_S = 60.0
AS_IN_PRODUCTION = {"SYNCKAIROS_LAME_DUCK_S": "12", "SYNCKAIROS_DRAIN_S": "8"}


class Play:
    """Sessions that are switched in turns at a steady rate, whatever becomes of the switches before."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.sessions: list[str] = []
        self.statuses: list[int] = []
        self.slowest_s = 0.0
        self._under_way: set[asyncio.Task[None]] = set()

    async def begin(self, game) -> None:
        for _ in range(SESSIONS):
            created = await self.http.post("/v1/sessions", json=game)
            self.sessions.append(created.json()["data"]["session_id"])
            await self.http.post(f"/v1/sessions/{self.sessions[-1]}/start")

    async def go_on(self, restarted: asyncio.Event) -> None:
        number = 0
        while not restarted.is_set():
            task = asyncio.create_task(self._switch(self.sessions[number % SESSIONS]))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            number += 1
            await asyncio.sleep(1 / SWITCHES_PER_S)
        await asyncio.gather(*self._under_way)

    async def _switch(self, session_id: str) -> None:
        began_s = time.monotonic()
        answer = await self.http.post(f"/v1/sessions/{session_id}/switch")  # once: a failure is one
        self.statuses.append(answer.status_code)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    async def versions(self) -> list[int]:
        answers = [await self.http.get(f"/v1/sessions/{session_id}") for session_id in self.sessions]
        return [answer.json()["data"]["version"] for answer in answers]


async def test_a_rolling_restart_behind_nginx_s_defaults_fails_no_request_and_hides_no_state(tmp_path, token, game):
    webs = [servers.web(**AS_IN_PRODUCTION), servers.web(**AS_IN_PRODUCTION)]
    for web in webs:
        await asyncio.to_thread(web.wait_ready)
    proxy = nginx.default(tmp_path, [web.port for web in webs]).start()
    restarted, began_s = asyncio.Event(), time.monotonic()
    base = f"http://127.0.0.1:{proxy.port}"
    async with httpx.AsyncClient(base_url=base, headers=bearer(token), timeout=PATIENCE_S) as http:
        play = Play(http)
        await play.begin(game)
        address = f"ws://127.0.0.1:{proxy.port}/ws?token={token}&sessionId="
        followers = [Follower(address + play.sessions[number % SESSIONS]) for number in range(SOCKETS)]
        following = [asyncio.create_task(follower.follow()) for follower in followers]
        playing = asyncio.create_task(play.go_on(restarted))
        for number in range(2):
            assert await asyncio.to_thread(webs[number].stop, within_s=PATIENCE_S) == 0
            webs[number] = servers.web(webs[number].port, **AS_IN_PRODUCTION)
            await asyncio.to_thread(webs[number].wait_ready)
        restarted.set()
        await playing
        took_s = time.monotonic() - began_s
        versions = await play.versions()
    await asyncio.to_thread(
        servers.wait_until, lambda: are_there(followers, versions), PATIENCE_S, "all have seen it all"
    )
    for task in following:
        task.cancel()
    ends = {type(end) for end in await asyncio.gather(*following, return_exceptions=True)}
    for web in webs:
        await asyncio.to_thread(web.stop, within_s=PATIENCE_S)
    proxy.stop()
    assert ends == {asyncio.CancelledError}
    assert set(play.statuses) == {200}, proxy.errors()
    assert sum(versions) == 2 * SESSIONS + len(play.statuses)
    for number, follower in enumerate(followers):
        follower.check(versions[number % SESSIONS])
    sent_away = sum(follower.times_sent_away for follower in followers)
    assert sent_away >= SOCKETS
    print(f"\n{len(play.statuses)} switches in {took_s:.0f} s, slowest {play.slowest_s:.2f} s; {sent_away} sent away")


def are_there(followers: list[Follower], versions: list[int]) -> bool:
    return all(follower.last == versions[number % SESSIONS] for number, follower in enumerate(followers))
