"""What a web process does with sockets that are slow, hostile, dead or past their time, and when it ends itself."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from synckairos.auth.principal import mint
from synckairos.redis import client as redis_client
from tests import servers
from tests.conftest import bearer
from tests.following import Follower
from tests.raw import until_read
from tests.sockets import WITHIN_S, Screen, screen, until_listened


@pytest.fixture(scope="module")
def strict():
    """A web process with narrow limits."""
    web = servers.web(
        SYNCKAIROS_SEND_TIMEOUT_S="1",
        SYNCKAIROS_SOCKETS_PER_PRINCIPAL="3",
        SYNCKAIROS_SOCKETS_PER_SESSION="4",
        RATE_LIMIT_FRAMES="20/h",  # none is given back while a slow machine sends too many
    )
    yield web.wait_ready()
    assert web.stop() == 0
    assert "Traceback" not in web.output()


@pytest.fixture(scope="module")
def pinging():
    """A web process that pings every two seconds: a slow machine can answer in that time."""
    web = servers.web(SYNCKAIROS_HEARTBEAT_S="2")
    yield web.wait_ready()
    assert web.stop() == 0
    assert "Traceback" not in web.output()


@pytest.fixture
def session_id(api, game):
    return api.post("/v1/sessions", json=game).json()["data"]["session_id"]


def big_session(api, game) -> str:
    """A running session whose states are long."""
    body = {**game, "metadata": {"filling": "x" * 3_500}, "visibility": "public"}
    session_id = api.post("/v1/sessions", json=body).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{session_id}/start")
    return session_id


class Mute(Screen):
    """A peer that neither reads nor answers pings: its handshake is by hand."""

    @staticmethod
    async def open(web: servers.Web, session_id: str, token: str, query: str = "") -> socket.socket:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, ("127.0.0.1", web.port))
        head = (
            f"GET /ws?sessionId={session_id}{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        await loop.sock_sendall(peer, head.encode())
        return peer


async def until_bytes(peer: socket.socket, wanted: bytes, within_s: float = WITHIN_S) -> bytes:
    """Read until this comes; gives all that came."""
    loop = asyncio.get_running_loop()
    received = b""
    async with asyncio.timeout(within_s):
        while wanted not in received:
            received += await loop.sock_recv(peer, 65536)
    return received


PING = Frame(Opcode.PING, b"").serialize(mask=False)[:1]
"""How a ping begins."""


def closing(code: int, reason: str) -> bytes:
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(payload))) + payload


# ── liveness ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_peer_that_answers_no_ping_is_gone_and_others_stay(pinging, token, session_id):
    """Who asks for a longer interval gets it."""
    async with screen(pinging, session_id, token) as answering:
        patient = await Mute.open(pinging, session_id, token, "&heartbeat=300")
        mute = await Mute.open(pinging, session_id, token)
        heard = await until_bytes(mute, closing(4408, "No answer to a ping"))
        assert PING in heard
        await answering.send(type="PING")
        await answering.until("PONG")
        heard = await until_bytes(patient, b'"server_time_ms"')
        assert PING not in heard
        assert heard.count(closing(4408, "No answer to a ping")) == 0
        mute.close()
        patient.close()


@pytest.mark.parametrize("given", ["0", "-5", "1e9", "0.001", "20"])
async def test_any_number_is_taken_as_a_heartbeat(webs, token, session_id, given):
    async with connect(f"{webs[0].ws_url}/ws?sessionId={session_id}&token={token}&heartbeat={given}") as connection:
        assert (await Screen(connection).receive())["type"] == "CONNECTED"


@pytest.mark.parametrize("given", ["often", "NaN", "inf", "1,5"])
async def test_what_is_no_number_is_no_heartbeat(webs, token, session_id, given):
    async with connect(f"{webs[0].ws_url}/ws?sessionId={session_id}&token={token}&heartbeat={given}") as connection:
        assert await Screen(connection).closed() == (1008, "Invalid heartbeat")


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_more_frames_than_allowed_close_the_socket_and_none_beyond_is_carried_out(strict, api, token, session_id):
    api.post(f"/v1/sessions/{session_id}/start")
    async with screen(strict, session_id, token) as flooding:
        await flooding.until("CONNECTED")
        for number in range(60):
            await flooding.send(type="SWITCH", id=str(number))
        assert await flooding.closed() == (4429, "Too many messages")
    assert api.get(f"/v1/sessions/{session_id}").json()["data"]["version"] <= 2 + 21


@pytest.mark.parametrize(
    ("misbehaviour", "told"),
    [
        (Frame(Opcode.PONG, b"").serialize(mask=True) * 100, (4429, "Too many messages")),
        (Frame(Opcode.TEXT, b"\xff").serialize(mask=True), (1007, "Invalid UTF-8")),
    ],
    ids=["flood", "no text"],
)
async def test_who_misbehaves_is_still_told_what_became_of_the_command_before(
    strict, token, session_id, misbehaviour, told
):
    store = redis_client.blocking_client()
    async with screen(strict, session_id, token) as viewer:
        await viewer.until("CONNECTED")
        wire = viewer.connection.transport.get_extra_info("socket")
        await asyncio.to_thread(store.client_pause, 60_000, all=False)  # the command cannot end yet
        try:
            await viewer.send(type="START", id=1)
            await asyncio.to_thread(until_read, wire)
            viewer.connection.transport.write(misbehaviour)
            await asyncio.to_thread(until_read, wire)
        finally:
            await asyncio.to_thread(store.client_unpause)
        assert await viewer.closed() == told
    assert [frame["id"] for frame in viewer.frames if frame["type"] in {"ACK", "ERROR"}] == [1]


async def test_protocol_pings_and_fragments_count_as_frames(strict, token, session_id):
    for opcode in (Opcode.PING, Opcode.PONG, Opcode.CONT):
        async with screen(strict, session_id, token) as flooding:
            await flooding.until("CONNECTED")
            first = b"" if opcode is not Opcode.CONT else Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)
            frame = Frame(opcode, b"", fin=opcode is not Opcode.CONT).serialize(mask=True)
            flooding.connection.transport.write(first + frame * 500)
            assert await flooding.closed() == (4429, "Too many messages")


async def test_one_person_has_only_so_many_sockets_and_others_are_not_affected(strict, token, game, api):
    sessions = [api.post("/v1/sessions", json=game).json()["data"]["session_id"] for _ in range(4)]
    async with AsyncExitStack() as open_sockets:
        for session_id in sessions[:3]:
            viewer = await open_sockets.enter_async_context(screen(strict, session_id, token))
            await viewer.until("CONNECTED")
        async with screen(strict, sessions[3], token) as fourth:
            assert await fourth.closed() == (4429, "RATE_LIMIT_EXCEEDED")
        async with httpx.AsyncClient(base_url=strict.url, headers=bearer(token), verify=False) as http:
            for door in ("poll?since_version=1", "stream"):
                refused = await http.get(f"/v1/sessions/{sessions[3]}/{door}")
                assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
                assert int(refused.headers["retry-after"]) > 0
        async with screen(strict, sessions[3], mint("bob", is_staff=False)) as other:
            await other.until("CONNECTED")


async def test_one_session_has_only_so_many_sockets_and_a_place_becomes_free(strict, session_id):
    async with AsyncExitStack() as open_sockets:
        for name in "abcd":
            viewer = screen(strict, session_id, mint(name, is_staff=False))
            await (await open_sockets.enter_async_context(viewer)).until("CONNECTED")
        async with screen(strict, session_id, mint("e", is_staff=False)) as fifth:
            assert (await fifth.closed())[0] == 4429
    async with screen(strict, session_id, mint("e", is_staff=False)) as again:
        await again.until("CONNECTED")


async def test_a_socket_that_takes_nothing_is_sent_away_and_delays_nobody(strict, api, token, game):
    session_id = big_session(api, game)

    def is_sent_away() -> bool:
        return 'synckairos_sockets_closed_total{code="4410"}' in httpx.get(f"{strict.url}/metrics").text

    mute = await Mute.open(strict, session_id, mint("mute", is_staff=False), "&heartbeat=300")
    async with screen(strict, session_id, token) as reading:
        await reading.until("CONNECTED")
        version = 2
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(is_sent_away):
                for _ in range(10):
                    await asyncio.to_thread(api.post, f"/v1/sessions/{session_id}/switch")
                    version += 1
                await reading.until_version(version)
    mute.close()


GOODBYE = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)


async def test_frames_that_are_too_many_are_not_carried_out_when_a_goodbye_follows_them(strict, api, token, session_id):
    said_before = strict.faults()
    async with screen(strict, session_id, token) as flooding:
        await flooding.until("CONNECTED")
        start = Frame(Opcode.TEXT, b'{"type": "START"}').serialize(mask=True)
        flooding.connection.transport.write(start * 60 + GOODBYE)
        await flooding.closed()
    assert strict.faults() == said_before
    assert api.get(f"/v1/sessions/{session_id}").json()["data"]["version"] == 1


async def test_text_that_is_not_utf_8_closes_the_socket_and_writes_no_traceback(strict, token, session_id):
    said_before = strict.faults()
    async with screen(strict, session_id, token) as viewer:
        await viewer.until("CONNECTED")
        viewer.connection.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
        assert await viewer.closed() == (1007, "Invalid UTF-8")
    assert strict.faults() == said_before


async def test_clients_that_leave_while_their_session_is_deleted_disturb_nobody(webs, api, token, game):
    """Both say goodbye at once, in every order that there is."""
    said_before = webs[0].faults()
    for _ in range(3):
        session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
        peers = [await Mute.open(webs[0], session_id, token) for _ in range(120)]
        for peer in peers:
            await until_bytes(peer, b'"server_time_ms"')
        deletion = asyncio.create_task(asyncio.to_thread(api.delete, f"/v1/sessions/{session_id}"))
        for number, peer in enumerate(peers):
            peer.send(GOODBYE)
            if not number % 12:
                await asyncio.sleep(0.001)
        await deletion
        for peer in peers:
            peer.close()
    assert webs[0].faults() == said_before
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        await asyncio.to_thread(api.post, f"/v1/sessions/{session_id}/start")
        await viewer.until_version(2)


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────────


HOUR_S = 3_600


async def test_a_silent_socket_whose_credentials_expire_is_told_and_closed_after_the_grace(clocked_web, session_id):
    web, clock = clocked_web
    async with screen(web, session_id, mint("alice", is_staff=False, lifetime=timedelta(hours=1))) as viewer:
        await viewer.until("CONNECTED")
        clock.advance(HOUR_S)
        error = await viewer.until("ERROR")
        assert error["code"] == "CREDENTIALS_EXPIRED"
        assert 0 < error["details"]["grace_ms"] <= 600_000
        await viewer.send(type="START", id="too late")
        assert (await viewer.until("ERROR"))["code"] == "UNAUTHENTICATED"
        clock.advance(600)
        assert await viewer.closed() == (4401, "Credentials expired")


async def test_fresh_credentials_of_the_same_person_keep_the_socket_open(clocked_web, session_id):
    web, clock = clocked_web
    short, doomed = (mint(name, is_staff=False, lifetime=timedelta(hours=1)) for name in ("alice", "bob"))
    async with screen(web, session_id, short) as viewer, screen(web, session_id, doomed) as other:
        await viewer.until("CONNECTED")
        await other.until("CONNECTED")
        clock.advance(HOUR_S)
        await viewer.until("ERROR", code="CREDENTIALS_EXPIRED")
        await viewer.send(type="AUTH", id=1, token="a.b.c")
        assert (await viewer.until("ERROR"))["code"] == "UNAUTHENTICATED"
        await viewer.send(type="AUTH", id=2, token=mint("mallory", is_staff=False))
        assert (await viewer.until("ERROR"))["code"] == "FORBIDDEN"
        await viewer.send(type="AUTH", id=3, token=mint("alice", is_staff=False))
        ack = await viewer.until("ACK")
        assert ack["id"] == 3
        assert ack["data"]["expires_at"].endswith("Z")
        clock.advance(600)
        assert await other.closed() == (4401, "Credentials expired")  # whoever stays has been looked at too
        await viewer.send(type="START", id=4)
        assert (await viewer.until("ACK"))["version"] == 2


# ── the end of a process ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_process_that_ends_sends_its_clients_away_and_finishes_what_is_in_flight(token, game):
    web = servers.web().wait_ready()
    async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30, verify=False) as http:
        session_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
        async with AsyncExitStack() as open_sockets:
            viewers = [await open_sockets.enter_async_context(screen(web, session_id, token)) for _ in range(120)]
            for viewer in viewers:
                await viewer.until("CONNECTED")
            other_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
            poll = asyncio.create_task(http.get(f"/v1/sessions/{other_id}/poll?since_version=1"))
            await asyncio.to_thread(until_listened, other_id)
            ended = asyncio.create_task(asyncio.to_thread(web.stop))
            told = await asyncio.gather(*(viewer.closed() for viewer in viewers))
            assert await ended == 0
            assert (await poll).status_code == 304
    waits_ms = []
    for code, reason in told:
        assert (code, reason.partition("=")[0]) == (1012, "Server restarting; retry_ms")
        waits_ms.append(int(reason.partition("=")[2]))
    assert len(set(waits_ms)) > 60  # they do not all come back at once
    assert "Traceback" not in web.output()


async def test_a_socket_that_takes_nothing_does_not_keep_a_process_from_ending(api, token, game):
    web = servers.web(SYNCKAIROS_DRAIN_S="0.2").wait_ready()
    session_id = big_session(api, game)
    mute = await Mute.open(web, session_id, token)
    async with screen(web, session_id, token) as reading:
        for version in range(3, 60):
            await asyncio.to_thread(api.post, f"/v1/sessions/{session_id}/switch")
            await reading.until_version(version)
    assert await asyncio.to_thread(web.stop, signal.SIGTERM) == 0
    mute.close()


async def test_a_stalled_peer_that_has_said_goodbye_is_cut_off_and_does_not_spoil_the_end(api, token, game):
    web = servers.web().wait_ready()
    session_id = big_session(api, game)
    reconnect = Frame(Opcode.TEXT, b'{"type": "RECONNECT"}').serialize(mask=True)
    stalled = [await Mute.open(web, session_id, token) for _ in range(2)]
    for peer in stalled:
        await asyncio.sleep(0.05)
        for _ in range(14):
            peer.send(reconnect)
            await asyncio.sleep(0.01)
        peer.send(GOODBYE)
    assert await asyncio.to_thread(web.stop, signal.SIGTERM) == 0
    assert "Traceback" not in web.output()
    for peer in stalled:
        peer.close()


async def play_until(restarted: asyncio.Event, http: httpx.AsyncClient, session_id: str) -> int:
    """Switch all the time; gives the last version."""
    version = 2
    while not restarted.is_set():
        key = {"Idempotency-Key": str(uuid4())}
        for _ in range(20):
            try:
                answer = await http.post(f"/v1/sessions/{session_id}/switch", headers=key)
                break
            except httpx.TransportError:  # a kept connection that was closed while idle
                continue
        version = answer.raise_for_status().json()["data"]["version"]
        await asyncio.sleep(0.02)
    return version


async def test_through_a_rolling_restart_of_two_processes_no_client_misses_a_state(api, token, game):
    """Both serve one listening socket, as under `make up`; clients come back as their close frame says."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    webs = [servers.shared_web(listener).wait_serving() for _ in range(2)]
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{session_id}/start")
    followers = [Follower(f"ws://127.0.0.1:{port}/ws?sessionId={session_id}&token={token}") for _ in range(20)]
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    restarted = asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer(token), verify=False) as http:
        playing = asyncio.create_task(play_until(restarted, http, session_id))
        for number in range(2):
            new = await asyncio.to_thread(servers.shared_web(listener).wait_serving)
            assert await asyncio.to_thread(webs[number].stop) == 0
            webs[number] = new
        restarted.set()
        version = await playing
    async with asyncio.timeout(WITHIN_S):
        while any(follower.last != version for follower in followers):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    for task in following:
        task.cancel()
    assert {type(end) for end in await asyncio.gather(*following, return_exceptions=True)} == {asyncio.CancelledError}
    listener.close()
    for web in webs:
        web.stop()
    for follower in followers:
        follower.check(version)
        assert len(follower.heard) > 10


async def test_another_asgi_server_serves_sockets_too(token, game):
    port = servers.free_port()
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--no-access-log"]
    plain = servers.Web(command, port=port)
    plain.start()
    await asyncio.to_thread(plain.wait_ready)
    async with httpx.AsyncClient(base_url=plain.url, headers=bearer(token), verify=False) as http:
        session_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
        async with screen(plain, session_id, token) as viewer:
            await viewer.until("CONNECTED")
            await viewer.send(type="START", id=1)
            await viewer.until("ACK", id=1)
            await viewer.until_version(2)
            await http.delete(f"/v1/sessions/{session_id}")
            assert await viewer.closed() == (1000, "Session deleted")
    assert plain.stop() in {0, -signal.SIGTERM}
    assert "Traceback" not in plain.output()
