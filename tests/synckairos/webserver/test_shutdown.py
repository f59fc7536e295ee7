"""How a web process ends: nobody who is served, knocks or is about to ask is turned away without a word.

Times are so long that nothing here ends by itself: a second signal takes the waiting out of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from sessions.hub.hub import spread
from synckairos.webserver import listeners
from tests import servers
from tests.conftest import bearer
from tests.raw import Raw
from tests.sockets import Screen, screen

FOR_EVER_S = "600"
PATIENCE_S = 30.0
NGINX_FAIL_TIMEOUT_S, NGINX_KEEPS_S, KUBERNETES_KILLS_AFTER_S = 10, 60, 30
AT_MOST_AFTER_S = 2 + 5 + 2
"""Clients that take nothing, requests in flight, and the hub."""
DRAIN = "SYNCKAIROS_DRAIN_S"
PRODUCTION = {
    "SYNCKAIROS_SECRET_KEY": "".join(f"{number:x}-" for number in range(40)),
    "SYNCKAIROS_SIGNING_KEYS": str(servers.DATA_DIR / "signing_key"),
    "SYNCKAIROS_ALLOWED_HOSTS": "localhost",
    "SYNCKAIROS_TRUSTED_PROXIES": "127.0.0.1/32",
}


@pytest.fixture
def ending():
    """Web processes of a test's own, which it tells to end."""
    started: list[servers.Web] = []

    def start(*, lame_duck_s: str = "0", drain_s: str = "0") -> servers.Web:
        web = servers.web(SYNCKAIROS_LAME_DUCK_S=lame_duck_s, SYNCKAIROS_DRAIN_S=drain_s)
        started.append(web)
        return web.wait_ready()

    yield start
    for web in started:
        if web.process is not None:
            web.stop(signal.SIGKILL)


def tell(web: servers.Web, sig: signal.Signals = signal.SIGTERM) -> None:
    assert web.process is not None
    web.process.send_signal(sig)


def ended(web: servers.Web) -> int:
    assert web.process is not None
    return web.process.wait(PATIENCE_S)


def until_unready(web: servers.Web) -> None:
    def is_unready() -> bool:
        answer = httpx.get(f"{web.url}/ready", timeout=30)
        return answer.status_code == 503 and answer.json() == {"status": "not_ready", "error": "draining"}

    servers.wait_until(is_unready, PATIENCE_S, "the process says that it is not ready")


def is_refused(web: servers.Web) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S):
            return False
    except ConnectionRefusedError:
        return True


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_lame_duck_says_that_it_is_unready_and_serves_everybody(ending, token, game, second):
    web = ending(lame_duck_s=FOR_EVER_S)
    with closing(Raw(web)) as kept:
        kept.get()
        assert "connection" not in kept.answer()[1]
        tell(web)
        await asyncio.to_thread(until_unready, web)
        session_id = await played_without_keeping_a_connection(web, token, game)
        async with screen(web, session_id, token) as viewer:
            assert (await viewer.until("CONNECTED"))["version"] == 3
            kept.get()
            status, fields, _ = kept.answer()  # one that was idle has its next answer, which is the last
            assert (status, fields["connection"]) == (200, "close")
            assert kept.is_over()
            tell(web, second)
            code, reason = await viewer.closed(PATIENCE_S)
            assert (code, reason.partition("=")[0]) == (1012, "Server restarting; retry_ms")
    assert await asyncio.to_thread(ended, web) == 0
    assert "Traceback" not in web.output()


async def played_without_keeping_a_connection(web: servers.Web, token: str, game) -> str:
    async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as http:
        created = await http.post("/v1/sessions", json=game)
        session_id = created.json()["data"]["session_id"]
        started = await http.post(f"/v1/sessions/{session_id}/start")  # by the hot door
        switched = await http.post(f"/v1/sessions/{session_id}/switch")
    answers = [created, started, switched]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [answer.headers.get("connection") for answer in answers] == ["close"] * 3
    return session_id


async def test_even_two_sockets_are_sent_away_one_after_the_other_and_a_second_signal_hastens(ending, token, game):
    web = ending(drain_s=FOR_EVER_S)
    session_id = await made(web, token, game)
    async with screen(web, session_id, token) as one, screen(web, session_id, token) as two:
        with closing(Raw(web)) as kept:
            for viewer in (one, two):
                await viewer.until("CONNECTED")
            kept.get()
            kept.answer()
            tell(web)
            waiting = {asyncio.create_task(viewer.closed(PATIENCE_S)): viewer for viewer in (one, two)}
            done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result()[0] for task in done] == [1012]
            assert len(left) == 1
            (staying,) = (waiting[task] for task in left)
            await still_answers(staying)
            assert await asyncio.to_thread(is_refused, web)
            kept.get(f"/v1/sessions/{session_id}", f"Authorization: Bearer {token}")  # it was under way, say
            status, fields, _ = kept.answer()
            assert (status, fields["connection"]) == (200, "close")
            tell(web)
            assert (await left.pop())[0] == 1012
    assert await asyncio.to_thread(ended, web) == 0


async def made(web: servers.Web, token: str, game) -> str:
    async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as http:
        return (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]


async def still_answers(viewer: Screen) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await (await viewer.connection.ping())


def test_a_third_signal_waits_for_nobody(ending):
    web = ending(lame_duck_s=FOR_EVER_S, drain_s=FOR_EVER_S)
    tell(web)
    until_unready(web)
    tell(web, signal.SIGINT)
    tell(web)
    assert ended(web) == 0
    assert "Traceback" not in web.output()


def test_by_default_it_outlasts_nginx_s_patience_in_production_and_ends_before_supervisors_lose_theirs():
    told = {name: value for name, value in os.environ.items() if name not in {"SYNCKAIROS_LAME_DUCK_S", DRAIN}}
    ask = "from config import environment as e; print(e.LAME_DUCK_S, e.DRAIN_S, e.KEEP_ALIVE_S)"
    production = {**told, "SYNCKAIROS_ENV": "production", **PRODUCTION}
    answered = subprocess.run(
        [sys.executable, "-c", ask], cwd=servers.ROOT, env=production, capture_output=True, check=True
    )
    lame_duck_s, drain_s, keep_alive_s = map(float, answered.stdout.split())
    assert lame_duck_s > NGINX_FAIL_TIMEOUT_S + 1  # nginx counts whole seconds
    assert lame_duck_s + listeners.HANDSHAKE_S + drain_s + AT_MOST_AFTER_S < KUBERNETES_KILLS_AFTER_S
    assert keep_alive_s > NGINX_KEEPS_S


@pytest.mark.parametrize("clients", [1, 2, 5, 120, 3_000])
def test_clients_are_sent_away_over_the_whole_time_however_few(clients):
    portions = list(spread(range(clients), 8.0))
    assert [client for _, portion in portions for client in portion] == list(range(clients))
    times = [after_s for after_s, _ in portions]
    gaps = [later - earlier for earlier, later in zip(times, [*times[1:], 8.0], strict=True)]
    assert times[0] == 0
    assert min(gaps) == pytest.approx(max(gaps))
    assert min(gaps) >= 0.0999
    sizes = {len(portion) for _, portion in portions}
    assert max(sizes) - min(sizes) <= 1
    if clients <= 80:
        assert sizes == {1}


def test_without_time_all_are_sent_away_together():
    assert list(spread("abc", 0)) == [(0, "abc")]
    assert list(spread("", 8.0)) == []


def refuse_filters(_listener: int) -> None:
    """Some systems allow socket filters to privileged processes only."""
    raise PermissionError


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel holds nobody off")


@linux_only
@pytest.mark.parametrize("attach", [listeners._attach, refuse_filters])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_who_knocks_while_the_door_closes_is_refused_and_who_is_in_is_heard(monkeypatch, attach, host):
    """Else a proxy sends a request that is reset, and may not send it again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    monkeypatch.setattr(listeners, "_attach", attach)
    server = await asyncio.start_server(echo, host, 0)
    address = server.sockets[0].getsockname()[:2]
    reader, writer = await asyncio.open_connection(*address)
    assert listeners.drop_new_handshakes([server])
    knocking = asyncio.create_task(asyncio.open_connection(*address))
    writer.write(b"heard")
    assert await reader.read() == b"heard"
    assert not knocking.done()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(knocking, PATIENCE_S)
    writer.close()


@linux_only
@pytest.mark.parametrize(
    ("host", "hops"),
    [
        ("127.0.0.1", (socket.IPPROTO_IP, socket.IP_TTL)),
        ("::1", (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)),
    ],
)
async def test_who_came_in_while_the_door_closed_is_heard(monkeypatch, host, hops):
    came: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(writer)
        writer.write(await reader.read(100))
        writer.close()

    monkeypatch.setattr(listeners, "_attach", refuse_filters)
    server = await asyncio.start_server(echo, host, 0)
    assert listeners.drop_new_handshakes([server])
    with socket.socket(server.sockets[0].family) as client:
        client.setblocking(False)
        client.setsockopt(*hops, 255)  # as if its handshake had begun before
        await asyncio.get_running_loop().sock_connect(client, server.sockets[0].getsockname())
        client.setsockopt(*hops, 64)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(b"heard")
        listeners.accept_hops([(await came.get()).transport])
        server.close()
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b"heard"
        writer.close()


@pytest.fixture
def _hangs_up():
    """These tests may have been started by nohup, whose children are not to mind."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hangs_up")
async def test_a_terminal_that_hangs_up_ends_a_process_like_any_other_signal(ending):
    web = ending()
    tell(web, signal.SIGHUP)
    assert await asyncio.to_thread(ended, web) == 0
