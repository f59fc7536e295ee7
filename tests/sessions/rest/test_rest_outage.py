"""The store goes away: every door says so at once, and all works again by itself when it is back."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from synckairos.auth.principal import mint
from tests import servers
from tests.conftest import client_of
from tests.talk import at, created, done, game, refused


@pytest.fixture(scope="module")
def lonely(own_store, schema_url):
    """A moderator at a web process with that store."""
    server = servers.web(REDIS_URL=own_store.url, DATABASE_URL=schema_url).wait_ready()
    with client_of(server, mint("moderator", is_staff=True)) as client:
        yield client
    server.stop()


def every_door(state):
    """One request for each address, as (method, path, body)."""
    yield from [("GET", at(state), None), ("GET", at(state, "summary"), None), ("DELETE", at(state), None)]
    for command in ("start", "pause", "resume", "switch", "undo", "complete", "cancel"):
        yield "POST", at(state, command), {}
    seat = game(1)["participants"][0]
    yield "PATCH", at(state, "clock"), {"adjust_ms": 1}
    yield "POST", at(state, "turn"), {"participant_id": state["participants"][1]["participant_id"]}
    yield "POST", "/v1/sessions", game()
    yield "POST", "/v1/sessions/batch", {"session_ids": [state["session_id"]]}
    yield "POST", "/v1/ws-tickets", {"session_id": state["session_id"]}
    yield "POST", at(state, "participants"), seat
    yield "PATCH", at(state, "participants", str(uuid4())), {"adjust_ms": 1}


def test_every_door_says_that_the_store_is_away_and_works_when_it_is_back(own_store, lonely):
    state = created(lonely)
    own_store.stop()
    for method, path, body in every_door(state):
        answer = lonely.request(method, path, json=body, headers={"Idempotency-Key": "k"})
        error = refused(answer, 503, "SERVICE_UNAVAILABLE")
        assert answer.headers["retry-after"] == str(error["retry_after_seconds"]) == "1"
    assert lonely.get("/health").json() == {"status": "ok"}
    unready = lonely.get("/ready")
    assert unready.status_code == 503
    assert unready.json() == {
        "status": "not_ready",
        "error": "state_store unreachable",
        "state_store": "unreachable",
        "audit_store": "ok",
    }
    assert set(lonely.get("/v1/time").json()) >= {"timestamp_ms", "server_version", "drift_tolerance_ms"}
    assert lonely.get("/metrics").status_code == 200
    refused(lonely.post("/v1/sessions", json={}), 400, "VALIDATION_ERROR")

    own_store.start()
    assert done(lonely.get(at(state)))["version"] == 1
    assert done(lonely.post(at(state, "start")))["status"] == "running"
    assert lonely.get("/ready").json()["status"] == "ready"


def test_a_store_that_hangs_does_not_hang_us(own_store, lonely):
    state = created(lonely)
    own_store.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: lonely.get(at(state)), range(4)))
        for answer in answers:
            refused(answer, 503, "SERVICE_UNAVAILABLE")
    finally:
        own_store.process.send_signal(signal.SIGCONT)
    assert done(lonely.get(at(state)))["version"] == 1


def test_a_store_that_only_reads_is_away_too(own_store, lonely):
    state = created(lonely)
    with servers.redis.Redis.from_url(own_store.url) as admin:
        admin.replicaof("127.0.0.1", servers.free_port())
        try:
            refused(lonely.post(at(state, "start")), 503, "SERVICE_UNAVAILABLE")
        finally:
            admin.replicaof("NO", "ONE")
    assert done(lonely.post(at(state, "start")))["version"] == 2


def test_a_repeat_after_an_outage_is_executed_once(own_store, lonely):
    state = done(lonely.post(at(created(lonely), "start")))
    key = {"Idempotency-Key": "one turn"}
    own_store.stop(signal.SIGKILL)
    refused(lonely.post(at(state, "switch"), headers=key), 503, "SERVICE_UNAVAILABLE")
    own_store.start()
    assert done(lonely.post(at(state, "switch"), headers=key))["version"] == 3
    assert lonely.post(at(state, "switch"), headers=key).headers["idempotency-replayed"] == "true"
    assert httpx.codes.is_success(lonely.get("/ready").status_code)
