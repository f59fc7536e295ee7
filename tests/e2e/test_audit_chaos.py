"""Workers are killed, the database and connections go away, entries come twice: the audit has every commit once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.conftest import bearer
from tests.databases import own_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOR_S = 180.0
SESSIONS = 20
SWITCHES_PER_S = 200
SHARDS = 4
CAUGHT_UP_WITHIN_S = 150.0
"""An entry that the database refused in the last moment is tried again after 10 s, then after a minute."""


class Stage:
    """A store, a database, a web process, two workers and beat."""

    def __init__(self, directory) -> None:
        # Nobody kills the store here, so it need not write each commit to its disk before it answers.
        extra = ("--appendfsync", "everysec")
        self.store = servers.StoreServer(directory / "store", port=servers.free_port(), extra=extra).start()
        self.database = own_database(directory / "database")
        self.env = {"REDIS_URL": self.store.url, "DATABASE_URL": self.database.url, "SYNCKAIROS_SHARDS": str(SHARDS)}
        assert servers.managed("migrate", **self.env).process.wait(servers.READY_WITHIN_S) == 0
        self.web = servers.web(**self.env)
        self.workers = [self._celery("worker", "--pool", "solo", "--without-gossip", "-n", f"{n}@") for n in range(2)]
        self.beat = self._celery("beat", "--pidfile", "", "-s", str(directory / "beat-schedule"))
        self.redis = redis_client.make_client(self.store.url)
        self.counts: Counter[str] = Counter()
        self.seen: list[tuple[str, dict]] = []
        """Entries that were in an outbox once."""

    def _celery(self, *arguments: str) -> servers.Child:
        return servers.Child([sys.executable, "-m", "celery", "-A", "config.celery", *arguments], env=self.env).start()

    def kill_a_worker(self) -> None:
        """Kill one in whatever it does, and start it again."""
        victim = random.choice(self.workers)
        victim.stop(signal.SIGKILL)
        victim.start()

    def take_the_database_away(self) -> None:
        self.database.take_away(random.choice([1, 3, 12, 25]))

    def repeat_entries(self) -> None:
        """Put entries on the outbox that are there, or that were there long ago."""
        for shard in range(SHARDS):
            name = keys.outbox(shard)
            self.seen += [(name, fields) for _, fields in self.redis.xrange(name, count=20)]
        for name, fields in random.choices(self.seen, k=min(len(self.seen), 50)):
            self.redis.xadd(name, fields)
            self.counts["entries repeated"] += 1

    def kill_connections(self) -> None:
        self.counts["connections killed"] += self.redis.client_kill_filter(_type="normal", skipme=True)

    def undrained(self) -> int:
        return sum(self.redis.xlen(name) for shard in range(SHARDS) for name in keys.undrained_outboxes(shard))

    def close(self) -> None:
        for child in (*self.workers, self.beat, self.web):
            child.stop(signal.SIGKILL)
        self.database.close()
        self.store.stop()


@pytest.fixture
async def stage(tmp_path):
    stage = await asyncio.to_thread(Stage, tmp_path)
    await asyncio.to_thread(stage.web.wait_ready)
    yield stage
    await asyncio.to_thread(stage.close)


async def play(http: httpx.AsyncClient, ends_s: float, interval_s: float) -> tuple[str, int]:
    """Switch one session at a steady rate, each switch repeated with its key until it is answered."""
    players = [{"participant_id": str(uuid4()), "total_time_ms": 86_400_000, "user_id": f"u{n}"} for n in range(2)]
    body = {"sync_mode": "per_participant", "participants": players}
    session_id = (await http.post("/v1/sessions", json=body)).raise_for_status().json()["data"]["session_id"]
    (await http.post(f"/v1/sessions/{session_id}/start")).raise_for_status()
    switches, due_s = 0, time.monotonic() + random.uniform(0, interval_s)
    while due_s < ends_s:
        await asyncio.sleep(max(0, due_s - time.monotonic()))
        key = {"Idempotency-Key": uuid4().hex}
        while True:
            answer = await http.post(f"/v1/sessions/{session_id}/switch", headers=key)
            if answer.status_code == httpx.codes.OK:
                break
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(random.uniform(0.02, 0.2))
        switches += 1
        due_s = max(due_s + interval_s, time.monotonic() - 1)
    return session_id, switches


async def disturb(stage: Stage, ends_s: float, every_s: tuple[float, float], what: Callable[[], None]) -> None:
    while (pause_s := random.uniform(*every_s)) < ends_s - time.monotonic():
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(what)
        stage.counts[what.__name__] += 1


async def test_whatever_dies_the_audit_has_each_commit_once_and_every_chain_is_whole(stage, token, capsys, configure):
    configure(shards=SHARDS)
    ends_s = time.monotonic() + FOR_S
    limits = httpx.Limits(max_connections=SESSIONS)
    async with httpx.AsyncClient(
        base_url=stage.web.url, headers=bearer(token), timeout=30, verify=False, limits=limits
    ) as http:
        played = [play(http, ends_s, SESSIONS / SWITCHES_PER_S) for _ in range(SESSIONS)]
        troubles: list[Awaitable[Any]] = [
            disturb(stage, ends_s - 10, (4, 9), stage.kill_a_worker),
            disturb(stage, ends_s - 25, (10, 20), stage.take_the_database_away),
            disturb(stage, ends_s, (1, 4), stage.repeat_entries),
            disturb(stage, ends_s, (5, 15), stage.kill_connections),
        ]
        *sessions, _, _, _, _ = await asyncio.gather(*played, *troubles)
    began_s = time.monotonic()
    await asyncio.to_thread(
        servers.wait_until, lambda: stage.undrained() == 0, CAUGHT_UP_WITHIN_S, "the audit has everything"
    )
    caught_up_s = time.monotonic() - began_s
    ids = [session_id for session_id, _ in sessions]
    truths = [json.loads(line) for line in await finished(stage, "-m", "tests.audit_truth", *ids)]
    verified = await finished(stage, "manage.py", "audit_verify")
    with capsys.disabled():
        print(
            f"\naudit chaos on {stage.database.kind}: {sum(done for _, done in sessions)} switches in {FOR_S:g} s; "
            f"{dict(stage.counts)}; everything is written {caught_up_s:.1f} s after the last one; {verified[-1]}"
        )
    assert all(done for _, done in sessions)
    assert not any(stage.redis.xlen(keys.outbox_dead(shard)) for shard in range(SHARDS))
    for (_, switches), truth in zip(sessions, truths, strict=True):
        assert truth["is_live_state"], truth
        assert truth["rows"] == truth["committed"], truth
        assert truth["row_version"] == truth["version"], truth
        # Nothing but the creation, the start and the switches was committed, each by itself.
        assert truth["commits"] == truth["committed"] == 2 + switches, truth


async def finished(stage: Stage, *arguments: str) -> list[str]:
    """The lines that a program of the stack has written, which must succeed."""
    child = servers.Child([sys.executable, *arguments], env=stage.env).start()
    assert child.process is not None
    status = await asyncio.to_thread(child.process.wait, 300)
    assert status == 0, child.output()
    return child.output().splitlines()
