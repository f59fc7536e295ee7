"""Procedures driven by the store's replies: they end as with a task, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import signal
from contextvars import ContextVar, copy_context
from uuid import uuid4

import pytest

from sessions.services import command_queue
from sessions.store.lua import FOLDER
from synckairos.errors import ServiceUnavailable
from synckairos.redis import client as redis_client
from synckairos.redis.procedures import perform, run_on_loop
from synckairos.redis.scripts import Call, Pipeline, Script
from tests import servers

WHO = ContextVar("who", default="nobody")


def echo(text, source="return ARGV[1]"):
    """A call for a script that the store has perhaps never seen."""
    script = Script(FOLDER / "roll.lua")
    script.source = f"{source} -- {uuid4()}"
    script.sha = redis_client.redis.Redis().register_script(script.source).sha
    return Call(script, [], [text], bytes.decode)


class Heard:
    """Waits for the end of a procedure."""

    def __init__(self):
        self.end = asyncio.get_running_loop().create_future()
        self.who = None

    def done(self, result):
        self.who = WHO.get()
        self.end.set_result(result)

    def failed(self, error):
        self.who = WHO.get()
        self.end.set_exception(error)


@pytest.fixture
async def store(tmp_path, configure):
    """A store of its own."""
    server = servers.StoreServer(tmp_path, port=servers.free_port()).start()
    configure(redis_url=server.url)
    yield server
    await redis_client.close_async_client()
    server.stop(signal.SIGKILL)


def start(steps):
    heard = Heard()
    surroundings = copy_context()
    surroundings.run(WHO.set, "me")
    run_on_loop(steps, heard, surroundings)
    return heard


async def ended(steps):
    async with asyncio.timeout(30):
        return await start(steps).end


async def both(one, other):
    """The results of two procedures that are begun together."""
    return await asyncio.gather(start(one).end, start(other).end)


def three(first, second):
    a = yield from perform(first)
    b, c = yield Pipeline(second, second)
    return a + b + c


async def test_scripts_that_the_store_does_not_know_are_handed_to_it(store):
    first, second = echo("a"), echo("b")
    assert await ended(three(first, second)) == "abb"
    assert await ended(three(first, second)) == "abb"  # over the connection that is open now
    assert await both(three(first, second), three(second, first)) == ["abb", "baa"]


async def test_each_has_its_surroundings_to_the_end(store):
    await ended(perform(echo("open")))
    heard = start(three(echo("a"), echo("b")))
    assert await heard.end == "abb"
    assert (heard.who, WHO.get()) == ("me", "nobody")


async def test_what_a_procedure_raises_is_told(store):
    def failing():
        yield echo("a")
        raise LookupError

    with pytest.raises(LookupError):
        await ended(failing())


async def test_a_connection_that_is_lost_meanwhile_loses_nothing(store):
    call = echo("a")
    await ended(perform(call))
    with redis_client.make_client(store.url) as other:
        for _ in range(10):
            heard = [start(three(call, call)) for _ in range(20)]
            other.client_kill_filter(_type="normal", skipme=True)
            assert await asyncio.gather(*(one.end for one in heard)) == ["aaa"] * 20


async def test_without_a_store_it_is_told_so(store):
    await ended(perform(echo("a")))
    store.stop(signal.SIGKILL)
    with pytest.raises(ServiceUnavailable):
        await ended(perform(echo("a")))


async def test_a_store_that_hangs_is_not_asked_again(store, monkeypatch):
    monkeypatch.setattr(redis_client, "SOCKET_TIMEOUT_S", 0.2)
    await ended(perform(echo("a")))
    store.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ServiceUnavailable):
            await ended(perform(echo("a")))
    finally:
        store.process.send_signal(signal.SIGCONT)


async def test_the_turn_is_passed_on_however_it_ends(store):
    def failing(text):
        yield echo(text)
        raise LookupError(text)

    session_id = uuid4()
    heard = [Heard() for _ in range(6)]
    for number, one in enumerate(heard):
        steps = failing(str(number)) if number % 2 else perform(echo(str(number)))
        command_queue.submit(session_id, steps, one, copy_context())
    ends = await asyncio.gather(*(one.end for one in heard), return_exceptions=True)
    assert [repr(end) for end in ends] == [
        "'0'",
        "LookupError('1')",
        "'2'",
        "LookupError('3')",
        "'4'",
        "LookupError('5')",
    ]
    assert not command_queue._queues
