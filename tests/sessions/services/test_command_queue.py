"""Commands that come to a process at once: each gets its turn, and nothing depends on it."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import httpx
import pytest

from sessions.services import command_queue
from sessions.services.command_queue import run_in_order, run_in_order_from_thread
from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from synckairos.redis.procedures import set_server_loop
from tests import servers
from tests.conftest import bearer, client_of
from tests.talk import at, created, done

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
async def stage(monkeypatch):
    """Procedures that note when they run, each until it is let go; gives (start one, let one go, what was noted)."""
    noted, running = [], {}

    def run(name, completion, _context):
        noted.append(name)
        running[name] = completion

    monkeypatch.setattr(command_queue, "run_on_loop", run)

    def start(session_id, name):
        return asyncio.ensure_future(run_in_order(session_id, name))

    yield start, lambda name: running[name].done(name), noted
    assert not command_queue._queues
    await redis_client.close_async_client()


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


async def test_a_caller_that_gives_up_does_not_hold_up_the_others(stage):
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "abc"]
    await settle()
    tasks[1].cancel()
    tasks[0].cancel()
    await settle()
    assert noted == ["a"]  # its command goes on, though nobody waits for it
    let_go("a")
    await settle()
    assert noted == ["a", "c"]
    let_go("c")
    assert await tasks[2] == "c"


async def test_a_caller_that_gives_up_just_when_its_turn_comes_passes_it_on(stage):
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "abc"]
    await settle()
    tasks[1].cancel()  # which it learns in the next turn of the loop, in which its command would start
    let_go("a")
    await settle()
    assert noted == ["a", "c"]
    let_go("c")
    assert await asyncio.gather(tasks[0], tasks[2]) == ["a", "c"]


async def test_a_command_that_has_waited_too_long_runs_early(stage, monkeypatch):
    monkeypatch.setattr(command_queue, "MAX_WAIT_S", 0.01)
    start, let_go, noted = stage
    tasks = [start(ONE, name) for name in "ab"]
    async with asyncio.timeout(30):
        while noted != ["a", "b"]:  # noqa: ASYNC110 - nothing else shows it
            await asyncio.sleep(0.01)
    let_go("b")
    assert await tasks[1] == "b"
    monkeypatch.setattr(command_queue, "MAX_WAIT_S", 60)
    late = start(ONE, "c")
    await settle()
    assert noted == ["a", "b"]  # the early one has not ended the turn of the first
    let_go("a")
    await settle()
    let_go("c")
    assert await asyncio.gather(tasks[0], late) == ["a", "c"]


async def test_commands_that_fail_at_once_do_not_nest(stage, monkeypatch):
    """However many wait: each starts in a turn of the loop of its own."""
    start, let_go, noted = stage
    first = start(ONE, "first")
    await settle()

    def fail(name, completion, _context):
        noted.append(name)
        completion.failed(LookupError(name))

    monkeypatch.setattr(command_queue, "run_on_loop", fail)
    others = [start(ONE, number) for number in range(2_000)]
    await settle()
    let_go("first")
    ends = await asyncio.gather(first, *others, return_exceptions=True)
    assert (ends[0], {type(end) for end in ends[1:]}) == ("first", {LookupError})
    assert noted == ["first", *range(2_000)]


def test_without_a_server_a_thread_runs_its_command_with_the_blocking_client():
    def command(**options):
        assert options.keys() == {"limiter"}  # without the cache of a server
        yield from ()
        return "done"

    assert run_in_order_from_thread(ONE, command, None) == "done"


async def test_a_thread_of_a_server_shares_the_queue_of_its_loop(stage):
    start, let_go, noted = stage
    set_server_loop(asyncio.get_running_loop())
    try:
        first = start(ONE, "a")
        await settle()
        thread = asyncio.create_task(asyncio.to_thread(run_in_order_from_thread, ONE, lambda **_options: "b", None))
        async with asyncio.timeout(30):
            while not command_queue._queues[ONE.int]:  # noqa: ASYNC110 - nothing else shows it
                await asyncio.sleep(0.01)
        assert noted == ["a"]
        let_go("a")
        await settle()
        let_go("b")
        assert (await first, await thread) == ("a", "b")
    finally:
        set_server_loop(None)


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
