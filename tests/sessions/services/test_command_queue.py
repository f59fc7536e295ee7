"""Commands that come to a process at once: each gets its turn, and nothing depends on it."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import httpx
import pytest

from sessions.services import command_queue
from sessions.services.command_queue import in_turn
from synckairos.auth.principal import mint
from synckairos.redis import client as stores
from tests import servers
from tests.conftest import bearer, client_of
from tests.talk import at, created, done

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
async def stage(monkeypatch):
    """Procedures that note when they run, each until it is let go; gives (start one, let one go, what was noted)."""
    noted, held = [], {}

    async def drive(steps):
        name = next(steps)
        noted.append(name)
        await held.setdefault(name, asyncio.Event()).wait()
        return name

    monkeypatch.setattr(command_queue, "run_async", drive)

    def start(session_id, name):
        return asyncio.ensure_future(in_turn(session_id, iter([name])))

    yield start, lambda name: held.setdefault(name, asyncio.Event()).set(), noted
    assert not command_queue._turns
    await stores.close_async_client()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_commands_of_one_session_run_one_after_the_other_in_the_order_in_which_they_came(stage):
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "abc"]
    other = start(OTHER, "other")
    await settle()
    assert noted == ["a", "other"]
    for name, after in (("a", ["a", "other", "b"]), ("b", ["a", "other", "b", "c"])):
        let_go(name)
        await settle()
        assert noted == after
    let_go("c")
    let_go("other")
    assert await asyncio.gather(*tasks, other) == ["a", "b", "c", "other"]


async def test_who_gives_up_holds_up_nobody(stage):
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "abc"]
    await settle()
    tasks[1].cancel()
    tasks[0].cancel()
    await settle()
    assert noted == ["a", "c"]
    let_go("c")
    assert await tasks[2] == "c"


async def test_who_gives_up_just_when_it_is_their_turn_passes_it_on(stage):
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "abc"]
    await settle()
    let_go("a")
    while len(command_queue._turns[ONE.int]) > 1:  # noqa: ASYNC110 - turn by turn of the loop
        await asyncio.sleep(0)
    tasks[1].cancel()  # it has been told, and has not heard it yet
    await settle()
    assert noted == ["a", "c"]
    let_go("c")
    assert await asyncio.gather(tasks[0], tasks[2]) == ["a", "c"]


async def test_who_has_waited_too_long_goes_ahead(stage, monkeypatch):
    monkeypatch.setattr(command_queue, "LONGEST_WAIT_S", 0.01)
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "ab"]
    async with asyncio.timeout(30):
        while noted != ["a", "b"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    let_go("b")
    assert await tasks[1] == "b"
    late = start(ONE, "c")
    let_go("a")
    let_go("c")
    assert await asyncio.gather(tasks[0], late) == ["a", "c"]


async def test_of_a_hundred_switches_at_once_none_loses_a_race():
    web = servers.web().wait_ready()
    token = mint("alice", is_staff=False)
    with client_of(web, token) as api:
        state = done(api.post(at(created(api), "start")))
        before = lost_races(api)
        async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as http:
            answers = await asyncio.gather(*(http.post(at(state, "switch")) for _ in range(100)))
        assert sorted(answer.json()["data"]["version"] for answer in answers) == list(range(3, 103))
        assert lost_races(api) == before
    web.stop()


def lost_races(api):
    """Of all processes that share their metrics, ended ones too."""
    return float(re.search(r"^synckairos_lost_races_total (\S+)$", api.get("/metrics").text, re.MULTILINE)[1])
