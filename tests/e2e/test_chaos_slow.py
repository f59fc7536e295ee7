"""Switches go on while the store is killed and restarted and web processes die: each key is applied exactly once."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from uuid import uuid4

import httpx
import pytest

from tests import servers
from tests.conftest import bearer
from tests.histories import Call, check_switches
from tests.sockets import screen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS = 12
FOR_S = 60.0
CALM_S = 5.0


class Stage:
    """A store and two web processes on fixed ports, which the test may kill and start again."""

    def __init__(self, directory) -> None:
        self.store = servers.StoreServer(directory, port=servers.free_port()).start()
        self.webs = [self._web(), self._web()]

    def _web(self) -> servers.Web:
        return servers.web(REDIS_URL=self.store.url)

    async def disturb(self, ends_s: float) -> int:
        """Kill something every few seconds; gives how often."""
        deaths = 0
        while time.monotonic() < ends_s:
            await asyncio.sleep(random.uniform(2, 5))
            victim: servers.StoreServer | servers.Child = random.choice([self.store, *self.webs])
            await asyncio.to_thread(victim.stop, signal.SIGKILL)
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.to_thread(victim.start)
            deaths += 1
        for web in self.webs:
            await asyncio.to_thread(web.wait_ready)
        return deaths

    def close(self) -> None:
        for web in self.webs:
            web.stop(signal.SIGKILL)
        self.store.stop()


@pytest.fixture
async def stage(tmp_path):
    stage = Stage(tmp_path)
    for web in stage.webs:
        await asyncio.to_thread(web.wait_ready)
    yield stage
    await asyncio.to_thread(stage.close)


async def persist(stage: Stage, token: str, address: str, ends_s: float) -> list[Call]:
    """One client: switch after switch, each repeated with its key on any process until it is answered."""
    done = []
    async with httpx.AsyncClient(headers=bearer(token), timeout=30, verify=False) as http:
        while time.monotonic() < ends_s:
            key = {"Idempotency-Key": uuid4().hex}
            began_s = time.monotonic()
            while True:
                try:
                    answer = await http.post(f"{random.choice(stage.webs).url}{address}/switch", headers=key)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    break
                assert answer is None or answer.status_code == 503, answer.text
                await asyncio.sleep(random.uniform(0.02, 0.2))
            done.append(Call(began_s, time.monotonic(), answer.json()["data"]))
            await asyncio.sleep(random.uniform(0, 0.1))
    return done


async def test_each_key_is_applied_once_whatever_dies(stage, token, capsys):
    players = [{"participant_id": str(uuid4()), "total_time_ms": 86_400_000} for _ in range(3)]
    body = {"sync_mode": "per_participant", "participants": players}
    async with httpx.AsyncClient(base_url=stage.webs[0].url, headers=bearer(token), timeout=30) as http:
        session_id = (await http.post("/v1/sessions", json=body)).json()["data"]["session_id"]
        await http.post(f"/v1/sessions/{session_id}/start")
    ends_s = time.monotonic() + FOR_S
    address = f"/v1/sessions/{session_id}"
    *histories, deaths = await asyncio.gather(
        *(persist(stage, token, address, ends_s) for _ in range(CLIENTS)), stage.disturb(ends_s)
    )
    done = [call for history in histories for call in history]
    with capsys.disabled():
        print(f"\nchaos: {len(done)} switches by {CLIENTS} clients through {deaths} deaths in {FOR_S:g} s")
    check_switches(done, first_version=2, rotation=[player["participant_id"] for player in players])
    async with screen(stage.webs[1], session_id, token) as viewer:
        first = await viewer.until("CONNECTED", within_s=CALM_S)
    assert first["version"] == 2 + len(done)
