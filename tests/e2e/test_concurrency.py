"""Many clients, one session, two processes: every acknowledged switch is in the history, once, in one order."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from sessions.store.lua import FOLDER
from tests import servers
from tests.conftest import bearer
from tests.histories import Call, NotLinearizable, check_switches

CLIENTS = 20
SWITCHES_EACH = 10


def body_of(players: int) -> dict:
    seats = [{"participant_id": str(uuid4()), "total_time_ms": 600_000} for _ in range(players)]
    return {"sync_mode": "per_participant", "participants": seats}


async def storm(webs: list[servers.Web], token: str, session_id: str) -> list[Call]:
    """20 clients, 10 switches each, spread over both processes; every one must be acknowledged."""

    async def client(number: int) -> list[Call]:
        done = []
        base = webs[number % len(webs)].url
        async with httpx.AsyncClient(base_url=base, headers=bearer(token), timeout=30) as http:
            for _ in range(SWITCHES_EACH):
                began_s = time.monotonic()
                answer = await http.post(f"/v1/sessions/{session_id}/switch")
                assert answer.status_code == 200, answer.text
                done.append(Call(began_s, time.monotonic(), answer.json()["data"]))
        return done

    return [call for done in await asyncio.gather(*map(client, range(CLIENTS))) for call in done]


async def play(webs: list[servers.Web], token: str) -> tuple[list[Call], list[str], dict]:
    """A running session under the storm: the calls, the rotation, and the state at the end."""
    async with httpx.AsyncClient(base_url=webs[0].url, headers=bearer(token), timeout=30) as http:
        created = (await http.post("/v1/sessions", json=body_of(3))).json()["data"]
        rotation = [seat["participant_id"] for seat in created["participants"]]
        session_id = created["session_id"]
        await http.post(f"/v1/sessions/{session_id}/start")
        done = await storm(webs, token, session_id)
        final = (await http.get(f"/v1/sessions/{session_id}")).json()["data"]
    return done, rotation, final


async def test_200_concurrent_switches_through_two_processes_are_one_history(webs, token):
    done, rotation, final = await play(webs, token)
    assert len(done) == CLIENTS * SWITCHES_EACH
    check_switches(done, first_version=2, rotation=rotation)
    assert final["version"] == 2 + len(done)
    assert final["cycle_number"] == len(done) == sum(seat["cycle_count"] for seat in final["participants"])


async def test_without_the_version_check_the_history_breaks(tmp_path: Path, token):
    """The mutation: a commit script that compares nothing. The same test must then fail."""
    source = FOLDER / "commit.lua"
    intact = "if current ~= header then\n  if current == ''"
    assert source.read_text().count(intact) == 1
    mutant = tmp_path / "commit.lua"
    mutant.write_text(source.read_text().replace(intact, "if current == '' and header ~= '' then\n  if current == ''"))
    broken = [servers.mutated_web(mutant) for _ in range(2)]
    try:
        done, rotation, _ = await play([web.wait_ready() for web in broken], token)
    finally:
        for web in broken:
            web.stop()
    with pytest.raises(NotLinearizable, match="lost versions"):
        check_switches(done, first_version=2, rotation=rotation)


def test_the_checker_accepts_a_sequence_and_refuses_lost_doubled_and_reordered_calls():
    def call(version: int, began_s: float, at_ms: int, active: str, a: int, b: int) -> Call:
        seats = [{"participant_id": "a", "time_used_ms": a}, {"participant_id": "b", "time_used_ms": b}]
        answer = {
            "version": version,
            "server_time_ms": at_ms,
            "active_participant_id": active,
            "participants": seats,
        }
        return Call(began_s, began_s + 1, answer)

    good = [call(3, 0, 100, "b", 100, 0), call(4, 2, 150, "a", 100, 50), call(5, 2.5, 180, "b", 130, 50)]
    check_switches(good, 2, ["a", "b"])
    for bad in (
        good[:1] + good[2:],
        [*good, good[0]],
        [good[0], good[2], call(4, 9, 150, "a", 100, 50)],
        [good[0], call(4, 2, 150, "a", 100, 49)],
        [good[0], call(4, 2, 150, "b", 100, 50)],
    ):
        with pytest.raises(NotLinearizable):
            check_switches(bad, 2, ["a", "b"])
