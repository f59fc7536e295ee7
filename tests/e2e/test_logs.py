"""Logs: one JSON object a line in production, the request's ids in them, and never a token or a secret."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys

import httpx
import pytest
from websockets.asyncio.client import connect

from synckairos.auth.signing_keys import generate_pem
from tests import servers
from tests.conftest import bearer
from tests.sockets import Screen

SECRET = secrets.token_urlsafe(48)
SIGNING_KEY = generate_pem()
HTTPS = {"X-Forwarded-Proto": "https"}


PRODUCTION = {
    "SYNCKAIROS_ENV": "production",
    "SYNCKAIROS_SECRET_KEY": SECRET,
    "SYNCKAIROS_SIGNING_KEYS": SIGNING_KEY,
    "SYNCKAIROS_ALLOWED_HOSTS": "127.0.0.1",
    "SYNCKAIROS_TRUSTED_PROXIES": "127.0.0.1",
    "SYNCKAIROS_LOG_LEVEL": "DEBUG",
    "SYNCKAIROS_LAME_DUCK_S": "0",
}


@pytest.fixture
def production_web():
    web = servers.web(**PRODUCTION)
    yield web.wait_ready()
    web.stop()


def issued_token() -> str:
    command = [sys.executable, "manage.py", "issue_token", "alice"]
    env = {**os.environ, **PRODUCTION, "SYNCKAIROS_LOG_LEVEL": "WARNING"}
    printed = subprocess.run(command, cwd=servers.ROOT, env=env, capture_output=True, text=True, check=True).stdout
    assert len(printed.splitlines()) == 1
    return printed.strip()


async def test_every_line_is_json_with_the_requests_ids_and_no_credentials(production_web, game):
    token = issued_token()
    secure = {**bearer(token), "X-Forwarded-Proto": "https", "X-Request-Id": "trace-me"}
    async with httpx.AsyncClient(base_url=production_web.url, headers=secure) as http:
        created = await http.post("/v1/sessions", json=game)
        assert created.status_code == 201, created.text
        session_id = created.json()["data"]["session_id"]
        unknown = await http.post(f"/v1/sessions/{session_id}/start?token={token}")
        assert unknown.status_code == 400  # a token has no place there, and is not logged all the same
        assert (await http.post(f"/v1/sessions/{session_id}/start")).status_code == 200
        refused = await http.get("/v1/sessions/x", headers=bearer("wrong.token.here"))
        assert refused.status_code == 401
        sold = [await http.post("/v1/ws-tickets", json={"session_id": session_id}) for _ in range(3)]
        used, streamed, unused = (answer.json()["data"]["ticket"] for answer in sold)
        stream = f"/v1/sessions/{session_id}/stream?ticket={streamed}"
        async with http.stream("GET", stream, headers={"Authorization": ""}) as answer:
            assert answer.status_code == 401  # a header is final, even an empty one
    async with (
        httpx.AsyncClient(base_url=production_web.url, headers=HTTPS) as http,
        http.stream("GET", stream) as answer,
    ):
        assert answer.status_code == 200
    address = f"{production_web.ws_url}/ws?sessionId={session_id}"
    async with connect(f"{address}&token={token}", additional_headers=HTTPS) as connection:
        assert (await Screen(connection).receive())["type"] == "CONNECTED"
    for code in (None, 4501):
        async with connect(f"{address}&ticket={used}", additional_headers=HTTPS) as connection:
            if code is None:
                assert (await Screen(connection).receive())["type"] == "CONNECTED"
            else:
                assert await Screen(connection).closed() == (code, "UNAUTHENTICATED")
    named = ["synckairos.v2", f"bearer.{token}"]
    async with connect(address, additional_headers=HTTPS, subprotocols=named) as connection:
        assert (await Screen(connection).receive())["type"] == "CONNECTED"
        await connection.send('{"type": "SWITCH", "id": "x"}')
        await Screen(connection).until("ACK")

    output = production_web.output()
    lines = [json.loads(line) for line in output.splitlines()]
    started = next(line for line in lines if line.get("path", "").endswith("/start"))
    assert started["request_id"] == "trace-me"
    assert started["session_id"] == session_id
    # One person has one hash at all doors, and no line has the name.
    assert re.fullmatch("[0-9a-f]{16}", started["principal"])
    assert {line["principal"] for line in lines if "principal" in line} == {started["principal"]}
    assert any(line["event"] == "socket opened" and "principal" in line for line in lines)
    assert "alice" not in output
    assert {"timestamp", "level", "event", "status", "ms"} <= started.keys()
    assert any(line["event"] == "socket opened" and line["session_id"] == session_id for line in lines)
    hidden = (SECRET, SIGNING_KEY.splitlines()[1], "wrong.token.here", used, streamed, unused)
    for secret in (token, token.rpartition(".")[2], *hidden):
        assert secret not in output


async def test_in_production_plain_http_is_sent_to_https(production_web):
    async with httpx.AsyncClient(base_url=production_web.url) as http:
        assert (await http.get("/v1/time", headers={"X-Forwarded-Proto": "http"})).status_code == 301
        assert (await http.get("/health")).status_code == 200
