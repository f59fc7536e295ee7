"""The pipelined connection: every caller gets its own reply, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import signal
import socket
from uuid import uuid4

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from synckairos import coalescing
from synckairos.redis import client as redis_client
from synckairos.redis import pipelined_connection as module
from tests import servers

ECHO = "return ARGV[1]"


@pytest.fixture
def store(tmp_path):
    """A store of its own, with a password, on TCP."""
    server = servers.StoreServer(tmp_path, port=servers.free_port(), extra=("--requirepass", "secret")).start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
async def pipelined(store, configure):
    """A pipelined connection to the second database of the store."""
    configure(redis_url=f"redis://:secret@127.0.0.1:{store.port}/1")
    yield redis_client.script_runner()
    await redis_client.close_async_client()


@pytest.fixture(autouse=True)
def _answers(monkeypatch):
    monkeypatch.setattr(servers.StoreServer, "answers", lambda store: (store.directory / "valkey.sock").exists())


def echo(pipelined, text):
    return pipelined.eval(ECHO, 0, text)


async def test_concurrent_callers_get_their_own_replies(pipelined):
    texts = [f"{number} ü".encode() for number in range(500)]
    assert await asyncio.gather(*(echo(pipelined, text) for text in texts)) == texts


async def test_several_commands_go_together_and_an_error_is_one_reply_among_others(pipelined):
    commands = [("EVAL", ECHO, 0, "one"), ("EVAL", "return redis.call('NONSENSE')", 0), ("EVAL", ECHO, 0, "three")]
    one, two, three = await pipelined.replies(commands)
    assert (one, three) == (b"one", b"three")
    assert isinstance(two, ResponseError)


async def test_errors_are_those_of_the_library(pipelined):
    with pytest.raises(NoScriptError):
        await pipelined.evalsha("0" * 40, 0)
    with pytest.raises(ResponseError, match="nonexistent"):
        await pipelined.eval("return nonsense", 0)
    assert redis_client.is_unavailable(module._parse_error("LOADING the dataset"))
    assert redis_client.is_unavailable(module._parse_error("MISCONF no disk"))
    assert not redis_client.is_unavailable(module._parse_error("WRONGTYPE of value"))


async def test_names_passwords_and_databases_are_the_librarys_to_handle(pipelined):
    await pipelined.eval("redis.call('SET', KEYS[1], 'x')", 1, "here")
    with redis_client.make_client(redis_client.conf().redis_url) as there:
        assert there.get("here") == b"x"
        assert there.connection_pool.connection_kwargs["db"] == 1


async def test_a_cancelled_caller_takes_no_reply_of_another(pipelined):
    await echo(pipelined, "open")
    given_up = asyncio.ensure_future(echo(pipelined, "given up"))
    others = [asyncio.ensure_future(echo(pipelined, str(number))) for number in range(5)]
    await asyncio.sleep(0)
    given_up.cancel()
    assert await asyncio.gather(*others) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_connection_that_is_cut_is_opened_again_and_the_command_sent_again(pipelined, store):
    await echo(pipelined, "open")
    with redis_client.make_client(redis_client.conf().redis_url) as other:
        for _ in range(20):
            asked = [asyncio.ensure_future(echo(pipelined, str(number))) for number in range(20)]
            await asyncio.sleep(0)
            other.client_kill_filter(_type="normal", skipme=True)
            assert await asyncio.gather(*asked) == [str(number).encode() for number in range(20)]


async def test_calls_fail_without_a_store_and_succeed_when_it_is_back(pipelined, store):
    await echo(pipelined, "open")
    store.stop(signal.SIGKILL)
    (store.directory / "valkey.sock").unlink()
    with pytest.raises(RedisConnectionError):
        await echo(pipelined, "nobody")
    store.start()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await echo(pipelined, "again") == b"again"
                break
            except RedisConnectionError:
                await asyncio.sleep(0.05)


async def test_a_store_that_hangs_is_not_waited_for_and_not_asked_again(store, configure, monkeypatch):
    monkeypatch.setattr(redis_client, "SOCKET_TIMEOUT_S", 2)
    configure(redis_url=f"redis://:secret@127.0.0.1:{store.port}/1")
    pipelined, key = redis_client.script_runner(), str(uuid4())
    await echo(pipelined, "open")
    store.process.send_signal(signal.SIGSTOP)
    asked = [asyncio.ensure_future(pipelined.eval("return redis.call('INCR', KEYS[1])", 1, key)) for _ in range(3)]
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)
    assert [type(answer) for answer in answers] == [RedisTimeoutError] * 3
    store.process.send_signal(signal.SIGCONT)
    assert await pipelined.eval("return redis.call('INCR', KEYS[1])", 1, key) in {
        1,
        4,
    }  # once each, if they arrived at all
    await redis_client.close_async_client()


async def test_a_closed_connection_fails_pending_commands_and_opens_no_other(pipelined):
    await echo(pipelined, "open")
    waiting = asyncio.ensure_future(echo(pipelined, "waiting"))
    await asyncio.sleep(0)
    pipelined.close()
    for asked in (waiting, echo(pipelined, "late")):
        with pytest.raises(RedisConnectionError):
            await asked


async def test_concurrent_callers_fail_together_when_the_store_is_down(configure):
    configure(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")
    pipelined = redis_client.script_runner()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(echo(pipelined, str(number)) for number in range(200)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {RedisConnectionError}
    await redis_client.close_async_client()


async def test_a_host_that_does_not_answer_is_given_up_by_all_at_once(configure, monkeypatch):
    monkeypatch.setattr(redis_client, "CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        queued = [socket.socket() for _ in range(8)]  # nobody accepts: further connections are not answered
        for one in queued:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        configure(redis_url=f"redis://127.0.0.1:{full.getsockname()[1]}/0")
        pipelined = redis_client.script_runner()
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(echo(pipelined, str(n)) for n in range(50)), return_exceptions=True)
        assert all(redis_client.is_unavailable(answer) for answer in answers)
        await redis_client.close_async_client()
        for one in queued:
            one.close()


async def test_sentinel_and_cluster_are_the_clients(configure):
    for url in ("redis+sentinel://localhost:1/main/0", "redis+cluster://localhost:1"):
        configure(redis_url=url)
        assert not isinstance(redis_client.script_runner(), module.PipelinedConnection)
        await redis_client.close_async_client()


async def test_callbacks_with_complete_replies_run_before_a_malformed_reply_ends_the_connection(pipelined):
    await echo(pipelined, "open")
    on_replies = []
    connection = pipelined._connection
    for name in "abc":
        assert pipelined.send([("EVAL", ECHO, 0, name)], lambda what, name=name: on_replies.append((name, what)))
    with pytest.raises(hiredis.ProtocolError):
        connection.data_received(b"+one\r\n+two\r\n?garbage\r\n")
    connection.connection_lost(None)
    assert on_replies[:2] == [("a", [b"one"]), ("b", [b"two"])]
    assert isinstance(on_replies[2][1], RedisConnectionError)


async def test_a_callback_that_raises_does_not_stop_the_others(pipelined, caplog):
    await echo(pipelined, "open")
    on_replies = []
    for hear in (lambda _what: 1 / 0, on_replies.append):
        pipelined.send([("EVAL", ECHO, 0, "x")], hear)
    assert await echo(pipelined, "y") == b"y"
    assert on_replies == [[b"x"]]
    assert "was not heard" in caplog.text


async def test_a_command_that_cannot_be_packed_takes_no_reply_of_another(pipelined):
    await echo(pipelined, "open")
    with pytest.raises(TypeError):
        pipelined.send([("EVAL", ECHO, 0, object())], lambda _what: None)
    assert await echo(pipelined, "x") == b"x"


async def test_replies_that_arrive_together_coalesce_writes_and_a_single_one_does_not(pipelined):
    await echo(pipelined, "open")
    heard, afterwards = [], []

    def hear(_what):
        heard.append(coalescing.defer(lambda: afterwards.append(len(heard))))

    for replies in (b"+lone\r\n", b"+one\r\n+two\r\n", b"+lone again\r\n"):
        for _ in range(replies.count(b"+")):
            pipelined._connection._waiting.append((1, hear, 0.0))
        pipelined._connection.data_received(replies)
    assert heard == [False, True, True, False]
    assert afterwards == [3, 3]
