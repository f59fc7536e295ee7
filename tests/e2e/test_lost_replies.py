"""A command whose reply is lost is applied once, wherever the reply was lost."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests import servers
from tests.conftest import bearer
from tests.proxy import proxy_to

COMMIT = b":outbox"
"""Only a commit of a web process carries this to the store: the key of the stream that it adds to."""


async def test_a_switch_whose_reply_is_lost_and_is_retried_with_its_key_is_applied_once(webs, token, game, api):
    session_id = api.post("/v1/sessions", json=game).json()["data"]["session_id"]
    api.post(f"/v1/sessions/{session_id}/start")
    async with (
        proxy_to(webs[0].port) as proxy,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.port}", headers=bearer(token)) as http,
    ):
        proxy.lose_reply_to(b"/switch")
        key = {"Idempotency-Key": "turn 1"}
        with pytest.raises(httpx.TransportError):
            await http.post(f"/v1/sessions/{session_id}/switch", headers=key)
        retried = await http.post(f"/v1/sessions/{session_id}/switch", headers=key)
    assert proxy.lost == 1
    assert retried.headers["Idempotency-Replayed"] == "true"
    assert retried.json()["data"]["version"] == 3
    final = api.get(f"/v1/sessions/{session_id}").json()["data"]
    assert (final["version"], final["cycle_number"]) == (3, 1)


async def test_a_commit_whose_reply_the_store_connection_loses_is_applied_once(tmp_path, token, game):
    """Here the Redis client itself retries: the commit script knows the command id."""
    store_server = servers.StoreServer(tmp_path, port=servers.free_port()).start()
    async with proxy_to(store_server.port) as proxy:
        web = servers.web(REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
        try:
            await asyncio.to_thread(web.wait_ready)  # the proxy needs this loop meanwhile
            async with httpx.AsyncClient(base_url=web.url, headers=bearer(token), timeout=30) as http:
                session_id = (await http.post("/v1/sessions", json=game)).json()["data"]["session_id"]
                await http.post(f"/v1/sessions/{session_id}/start")
                for turn in range(1, 6):
                    proxy.lose_reply_to(COMMIT, times=1 + turn % 2)
                    answer = await http.post(f"/v1/sessions/{session_id}/switch")
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["data"]["version"] == 2 + turn
                final = (await http.get(f"/v1/sessions/{session_id}")).json()["data"]
            assert (final["version"], final["cycle_number"]) == (7, 5)
            assert proxy.lost == 8
        finally:
            web.stop()
            store_server.stop()
