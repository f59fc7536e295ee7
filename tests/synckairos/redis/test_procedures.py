"""The drivers of procedures: all end alike, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextvars import ContextVar, copy_context
from uuid import uuid4

import pytest

from sessions.services import command_queue
from sessions.store.lua import FOLDER
from synckairos.errors import ServiceUnavailable
from synckairos.redis import client as redis_client
from synckairos.redis import procedures
from synckairos.redis.procedures import perform, run_from_thread, run_many, run_on_loop, set_server_loop
from synckairos.redis.scripts import Call, Pipeline, Script, send_all
from tests import servers

WHO = ContextVar("who", default="nobody")


def echo(text, source="return ARGV[1]"):
    """A call for a script that the store has perhaps never seen."""
    script = Script(FOLDER / "read_presence.lua")
    script.source = f"{source} -- {uuid4()}"
    script.sha = redis_client.redis.Redis().register_script(script.source).sha
    return Call(script, [], [text], bytes.decode)


class Recorder:
    """A completion that records the end of a procedure, and its context."""

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


def start(procedure):
    recorder = Recorder()
    surroundings = copy_context()
    surroundings.run(WHO.set, "me")
    run_on_loop(procedure, recorder, surroundings)
    return recorder


async def ended(procedure):
    async with asyncio.timeout(30):
        return await start(procedure).end


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
    recorder = start(three(echo("a"), echo("b")))
    assert await recorder.end == "abb"
    assert (recorder.who, WHO.get()) == ("me", "nobody")


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
            recorder = [start(three(call, call)) for _ in range(20)]
            other.client_kill_filter(_type="normal", skipme=True)
            assert await asyncio.gather(*(one.end for one in recorder)) == ["aaa"] * 20


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
    recorder = [Recorder() for _ in range(6)]
    for number, one in enumerate(recorder):
        procedure = failing(str(number)) if number % 2 else perform(echo(str(number)))
        command_queue.submit(session_id, procedure, one, copy_context())
    ends = await asyncio.gather(*(one.end for one in recorder), return_exceptions=True)
    assert [repr(end) for end in ends] == [
        "'0'",
        "LookupError('1')",
        "'2'",
        "LookupError('3')",
        "'4'",
        "LookupError('5')",
    ]
    assert not command_queue._queues


async def test_procedures_side_by_side_share_their_round_trips(store, monkeypatch):
    sent = []

    async def recorded(calls):
        sent.append(len(calls))
        return await send_all(calls)

    def echoes(number):
        text = ""
        for _ in range(number):
            text += yield from perform(echo("a"))
        return text

    monkeypatch.setattr(procedures, "send_all", recorded)
    assert await run_many([echoes(number) for number in (2, 0, 3)]) == ["aa", "", "aaa"]
    assert sent == [2, 2, 1]


async def test_the_error_of_a_call_is_raised_in_its_procedure(store):
    def guarded(call):
        try:
            return (yield from perform(call))
        except Exception as error:  # noqa: BLE001 - all of them
            return type(error).__name__

    calls = [echo("a"), echo("a", source="return redis.error_reply('ERR no')"), echo("b", source="return 1")]
    assert await run_many([guarded(call) for call in calls]) == ["a", "ResponseError", "TypeError"]


async def test_a_thread_runs_its_procedure_on_the_loop_of_the_server(store):
    def where():
        text = yield from perform(echo("a"))
        return text, asyncio.get_running_loop(), WHO.get()

    set_server_loop(asyncio.get_running_loop())
    try:
        WHO.set("me")
        assert await asyncio.to_thread(run_from_thread, where()) == ("a", asyncio.get_running_loop(), "me")
    finally:
        set_server_loop(None)


async def test_a_thread_does_not_wait_for_ever_for_a_loop_that_is_busy_or_closed(monkeypatch):
    monkeypatch.setattr(procedures, "THREAD_TIMEOUT_S", 0.01)
    busy, closed = asyncio.new_event_loop(), asyncio.new_event_loop()
    closed.close()
    try:
        for loop in (busy, closed):
            set_server_loop(loop)
            with pytest.raises(ServiceUnavailable):
                await asyncio.to_thread(run_from_thread, iter(()))
    finally:
        set_server_loop(None)
        busy.close()


def test_a_thread_does_not_wait_for_a_loop_that_is_closed_meanwhile(monkeypatch):
    monkeypatch.setattr(procedures, "THREAD_TIMEOUT_S", float("inf"))  # nothing else ends the wait
    loop = asyncio.new_event_loop()
    set_server_loop(loop)
    threading.Timer(0.2, loop.close).start()
    try:
        with pytest.raises(ServiceUnavailable):
            run_from_thread(iter(()))
    finally:
        set_server_loop(None)


def test_without_a_server_a_thread_uses_the_blocking_client():
    assert run_from_thread(perform(echo("a"))) == "a"
