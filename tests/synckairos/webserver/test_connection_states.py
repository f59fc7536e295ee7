"""Connections in every odd state that a stranger can bring one into: each is answered or closed in its time, leaves no
descriptor behind, and keeps neither the process nor anybody's request from ending well."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn

from synckairos.auth.principal import mint
from synckairos.webserver import upgrade
from synckairos.webserver.http_protocol import HttpProtocol
from synckairos.webserver.websocket_protocol import WebSocketProtocol
from tests import servers
from tests.conftest import bearer
from tests.raw import Raw

PATIENCE_S = 60.0
SHORT = {
    "SYNCKAIROS_HEAD_TIMEOUT_S": "1",
    "SYNCKAIROS_BODY_TIMEOUT_S": "1",
    "SYNCKAIROS_KEEP_ALIVE_S": "1",
    "SYNCKAIROS_HEARTBEAT_S": "0.5",
    "SYNCKAIROS_SEND_TIMEOUT_S": "1",
    "SYNCKAIROS_DRAIN_S": "0",
}
TOKEN = mint("stranger", is_staff=False)
CREDENTIALS = f"Authorization: Bearer {TOKEN}\r\n"
OFFER = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
HANDSHAKE = f"{OFFER}{KEY}Sec-WebSocket-Version: 13\r\n"
HTTP2 = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WS = f"/ws?sessionId={uuid4()}"


def head(start: str, fields: str = "") -> bytes:
    return f"{start}\r\nHost: x\r\n{fields}\r\n".encode("latin-1")


def handshake(more: str = "", address: str = WS) -> bytes:
    return head(f"GET {address} HTTP/1.1", HANDSHAKE + more)


POST = "POST /v1/sessions HTTP/1.1"
JSON_BODY = "Content-Type: application/json\r\n"
STATES: dict[str, tuple[bytes, list[int]]] = {
    # What is there of a request, and the statuses of the answers before the end.
    "silence": (b"", []),
    "empty lines": (b"\r\n\r\n", []),
    "half a request line": (b"GET /hea", [408]),
    "half a head": (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half", [408]),
    "a field without an end": (b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 600_000, [431]),
    "an address without an end": (b"GET /" + b"x" * 20_000, [414]),
    "no HTTP": (b"EHLO x\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "CONNECT": (head("CONNECT x:80 HTTP/1.1"), [400]),
    "half a body": (
        head(POST, f"{CREDENTIALS}{JSON_BODY}Content-Length: 100\r\n") + b"{",
        [408],
    ),
    "half a chunk": (
        head(POST, f"{CREDENTIALS}{JSON_BODY}Transfer-Encoding: chunked\r\n") + b"5\r\n{",
        [408],
    ),
    "a body that waits": (
        head(POST, f"{CREDENTIALS}Expect: 100-continue\r\nContent-Length: 9\r\n"),
        [100, 408],
    ),
    "idle after an answer": (head("GET /health HTTP/1.1"), [200]),
    "half a second request": (head("GET /health HTTP/1.1") + b"GET /he", [200, 408]),
    "another protocol": (head("GET /health HTTP/1.1", HTTP2), [200]),
    "another protocol with half a body": (
        head(POST, f"{HTTP2}{CREDENTIALS}{JSON_BODY}Content-Length: 100\r\n") + b"{",
        [408],
    ),
    "the sockets' address without a handshake": (head(f"GET {WS} HTTP/1.1"), [426]),
    "POST as a handshake": (head(f"POST {WS} HTTP/1.1", HANDSHAKE), [405]),
    "PUT as a handshake, with a body": (
        head(f"PUT {WS} HTTP/1.1", f"{HANDSHAKE}Content-Length: 3\r\n") + b"abc",
        [405],
    ),
    "POST elsewhere as a handshake": (head(POST, HANDSHAKE), [401]),
    "HTTP/1.0 as a handshake": (head(f"GET {WS} HTTP/1.0", HANDSHAKE), [426]),
    "two protocols": (head(f"GET {WS} HTTP/1.1", HANDSHAKE.replace("websocket", "websocket, h2c")), [426]),
    "an older version": (head(f"GET {WS} HTTP/1.1", f"{OFFER}{KEY}Sec-WebSocket-Version: 8\r\n"), [426]),
    "no version": (head(f"GET {WS} HTTP/1.1", OFFER + KEY), [426]),
    "no key": (head(f"GET {WS} HTTP/1.1", f"{OFFER}Sec-WebSocket-Version: 13\r\n"), [400]),
    "two keys": (handshake(KEY), [400]),
    "a short key": (handshake().replace(b"AAAAAAAA", b"", 1), [400]),
    "a handshake with a body": (handshake("Content-Length: 3\r\n") + b"abc", [400]),
    "a handshake with half a body": (handshake("Content-Length: 30\r\n") + b"abc", [400]),
    "protocols that are none": (handshake("Sec-WebSocket-Protocol: a;b\r\n"), [400]),
    "a handshake behind a request": (head("GET /health HTTP/1.1") + handshake(), [200, 426]),
    "a wrong handshake behind a request": (head("GET /health HTTP/1.1") + handshake(KEY), [200, 426]),
    "no HTTP behind a request": (head("GET /health HTTP/1.1") + b"\x00\x00", [200]),
    "a handshake from a page that may not": (handshake("Origin: http://[\r\n"), [403]),
    "half a handshake": (handshake()[:-2], [408]),
    "a handshake with too many fields": (handshake("".join(f"X-{n}: 1\r\n" for n in range(100))), [431]),
    "a handshake with too large a head": (handshake("Cookie: " + "c" * 33_000 + "\r\n"), [431]),
    "a handshake with too long an address": (handshake(address=f"{WS}&x=" + "x" * 17_000), [414]),
    # These are WebSockets, and closed as such: without credentials, or because they do not answer pings.
    "a handshake with a large cookie": (handshake("Cookie: " + "c" * 8_192 + "\r\n"), [101]),
    "a handshake with a long address": (handshake(address=f"{WS}&x=" + "x" * 10_000), [101]),
    "a handshake elsewhere": (handshake(address="/elsewhere"), [101]),
    "a silent socket": (handshake(CREDENTIALS), [101]),
}
AFTER_HANDSHAKE = {
    "half a frame": b"\x81\xff",
    "a frame that is none": b"\xff\xff\xff\xff\xff\xff",
    "a frame that is too large": b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff",
    "a frame without a mask": b"\x81\x02{}",
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A web process with little patience, which the last test that has it ends."""
    constants = (
        "synckairos.webserver.http_protocol._LINGER_S=1",
        "synckairos.webserver.websocket_protocol._CLOSE_TIMEOUT_S=1",
    )
    web = servers.clocked_web(tmp_path_factory.mktemp("clock") / "clock", *constants, **SHORT)
    yield web.wait_ready()
    if web.process is not None:
        web.stop(signal.SIGKILL)


def in_state(web: servers.Web, name: str) -> Raw:
    raw = Raw(web)
    raw.socket.settimeout(PATIENCE_S)
    if name in STATES:
        return raw.send(STATES[name][0])
    raw.send(handshake(CREDENTIALS))
    assert raw.file.readline().startswith(b"HTTP/1.1 101 ")
    while raw.file.readline().strip():
        pass
    return raw.send(AFTER_HANDSHAKE[name])


def until_the_end(raw: Raw) -> bytes:
    """All that comes before the server ends it, however."""
    came = b""
    try:
        while more := raw.file.read1(65_536):
            came += more
    except ConnectionError:
        pass
    return came


def connections_of(web: servers.Web) -> int:
    """How many descriptors the process holds of connections to its port, and of the port itself."""
    assert web.process is not None
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if int(row[1].partition(":")[2], 16) == web.port}
    held = [link for file in Path(f"/proc/{web.process.pid}/fd").iterdir() if (link := read_link(file))]
    return sum(link == f"socket:[{inode}]" for link in held for inode in inodes)


def read_link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:  # closed meanwhile
        return ""


def test_every_odd_connection_is_answered_or_closed_in_its_time(impatient):
    with ExitStack() as opened:
        names = [*STATES, *AFTER_HANDSHAKE]
        connections = {name: opened.enter_context(closing(in_state(impatient, name))) for name in names}
        came = {name: until_the_end(raw) for name, raw in connections.items()}
        servers.wait_until(lambda: connections_of(impatient) == 1, PATIENCE_S, "no descriptor is left")
    statuses = {name: [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", came[name])] for name in STATES}
    assert statuses == {name: wanted for name, (_, wanted) in STATES.items()}
    for name, wanted in statuses.items():
        if wanted and wanted[-1] >= 400:
            assert b'{"error":{"code":' in came[name], name
    assert "Traceback" not in impatient.output()
    assert "[error" not in impatient.output()  # nothing of this is a fault of ours


async def test_with_all_of_them_open_a_process_ends_well_and_answers_what_is_in_flight(impatient, game):
    async with httpx.AsyncClient(base_url=impatient.url, headers=bearer(TOKEN), timeout=PATIENCE_S) as http:
        session_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
        poll = asyncio.create_task(http.get(f"/v1/sessions/{session_id}/poll?since_version=1"))
        with ExitStack() as opened:
            for name in [*STATES, *AFTER_HANDSHAKE]:
                opened.enter_context(closing(await asyncio.to_thread(in_state, impatient, name)))
            assert await asyncio.to_thread(impatient.stop, within_s=PATIENCE_S) == 0
        assert (await poll).status_code == 304
    assert "Traceback" not in impatient.output()


@pytest.fixture
async def hanging():
    """A server of ours whose application answers no handshake: gives its address."""

    async def never(scope, receive, send):
        await asyncio.Event().wait()

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(never, http=HttpProtocol, ws=WebSocketProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()
    server.should_exit = True
    server.config.timeout_graceful_shutdown = 0
    await serving


async def answered(address: tuple[str, int], request: bytes) -> tuple[bytes, dict[str, str], str]:
    """The status line, the header fields and the code of the error, at the end of the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    told = dict(line.split(": ", 1) for line in fields.decode().splitlines())
    return status, told, json.loads(body)["error"]["code"]


async def test_a_handshake_that_nobody_answers_is_given_up(configure, hanging):
    configure(head_timeout_s=0.2)
    status, fields, code = await answered(hanging, handshake())
    assert (status, code) == (b"HTTP/1.1 503 Service Unavailable", "SERVICE_UNAVAILABLE")
    assert fields["retry-after"] == "1"
    assert fields["x-request-id"]
    assert fields["x-content-type-options"] == "nosniff"


async def test_a_handshake_that_the_library_cannot_read_is_refused_all_the_same(monkeypatch, hanging):
    """Whatever it should find wrong that we do not."""
    monkeypatch.setattr(upgrade, "handshake_error", lambda *_: None)
    status, _, code = await answered(hanging, handshake("Content-Length: 3\r\n"))
    assert (status, code) == (b"HTTP/1.1 400 Bad Request", "VALIDATION_ERROR")


@pytest.mark.parametrize("offer", [HANDSHAKE, HTTP2], ids=["websocket", "http2"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_request_that_offers_another_protocol_keeps_its_body_and_what_follows_it(webs, game, offer, framing):
    with closing(Raw(webs[0])) as raw:
        body = httpx.Request("POST", "http://x", json=game).content
        if framing == "length":
            fields, sent = f"Content-Length: {len(body)}\r\n", body
        else:
            fields, sent = "Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        raw.send(head(POST, CREDENTIALS + offer + JSON_BODY + fields) + sent)
        raw.send(head("GET /health HTTP/1.1"))
        assert raw.answer()[0] == 201
        assert raw.answer()[0] == 200


def test_whoever_offers_another_protocol_and_wants_the_end_has_it(webs):
    with closing(Raw(webs[0])) as raw:
        raw.send(head("GET /health HTTP/1.1", HTTP2.replace("Connection: ", "Connection: close, ")))
        status, fields, _ = raw.answer()
        assert (status, fields["connection"]) == (200, "close")
        assert raw.is_over()


def test_any_number_of_offers_may_come_together(webs):
    with closing(Raw(webs[0])) as raw:
        raw.send(head("GET /health HTTP/1.1", HTTP2) * 1_500)
        assert [raw.answer()[0] for _ in range(1_500)] == [200] * 1_500
