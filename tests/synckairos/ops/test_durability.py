"""A store that may lose acknowledged data is refused in production, and reported elsewhere."""

from __future__ import annotations

import signal
import sys

import httpx
import pytest
from django.test import Client

from synckairos.ops import durability
from synckairos.ops.store_facts import StoreFacts, StoreNode, store_facts
from tests import servers

EVICTING = {"maxmemory-policy": "allkeys-lru"}
WITHOUT_AOF = {"appendonly": "no"}
PRODUCTION = {**servers.PRODUCTION, "SYNCKAIROS_ALLOW_LOSSY_STORE": "0"}
CELERY = [sys.executable, "-m", "celery", "-A", "config.celery", "--quiet", "worker", "--pool", "solo"]
PROCESSES = {
    "web": [sys.executable, "manage.py", "web", "--port", "0"],
    "timekeeper": [sys.executable, "manage.py", "timekeeper"],
    "worker": [*CELERY, "--without-gossip", "--without-mingle"],
}


@pytest.fixture
def store(own_store, configure, monkeypatch):
    """Configures the store, which this process uses too: `store({"appendonly": "no"})`."""
    monkeypatch.setattr(durability._has_warned, "is_set", lambda: False)
    with servers.redis.Redis.from_url(own_store.url) as admin:
        configure(redis_url=own_store.url, lossy_store_allowed=False)

        def change(config):
            for name, value in config.items():
                admin.config_set(name, value)
            return admin

        yield change
        change({"maxmemory-policy": "noeviction", "appendonly": "yes", "maxmemory": 0})


def test_a_durable_store_is_accepted_without_a_warning(store, caplog):
    store({})
    durability.require_durable_store()
    assert store_facts().is_lossy is False
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("config", "reason"), [(EVICTING, "maxmemory-policy is allkeys-lru"), (WITHOUT_AOF, "appendonly is no")]
)
def test_a_lossy_store_is_refused_with_the_reason_unless_allowed(store, configure, caplog, config, reason):
    store(config)
    with pytest.raises(SystemExit):
        durability.require_durable_store()
    assert reason in caplog.text
    assert durability.SETTING in caplog.text
    caplog.clear()
    configure(lossy_store_allowed=True)
    durability.require_durable_store()
    assert reason in caplog.text


@pytest.mark.timeout(120)
@pytest.mark.parametrize("process", PROCESSES)
def test_no_process_starts_on_a_lossy_store_in_production(store, own_store, process):
    store(EVICTING | WITHOUT_AOF)
    child = servers.Child(PROCESSES[process], env={**PRODUCTION, "REDIS_URL": own_store.url}).start()
    try:
        assert child.process.wait(60) == 1, child.output()
    finally:
        child.stop(signal.SIGKILL)
    said = child.output()
    assert "not started: the state store may lose data" in said
    for part in (durability.SETTING, "allkeys-lru", "appendonly is no"):
        assert part in said
    assert "Traceback" not in said


def test_an_allowed_lossy_store_is_logged_once_and_reported_by_ready(store, own_store, schema_url):
    store(EVICTING)
    web = servers.web(REDIS_URL=own_store.url, DATABASE_URL=schema_url).wait_ready()
    try:
        answers = [httpx.get(f"{web.url}/ready", verify=False) for _ in range(3)]
    finally:
        web.stop()
    assert [(answer.status_code, answer.json()["durability"]) for answer in answers] == [(200, "lossy")] * 3
    assert web.output().count("the state store may lose data") == 1


def test_a_store_without_info_is_accepted_with_a_warning(store, own_store, configure, caplog):
    admin = store({})
    admin.acl_setuser("managed", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-info"])
    configure(redis_url=own_store.url.replace("//", "//managed:secret@"), lossy_store_allowed=False)
    durability.require_durable_store()
    assert store_facts().is_lossy is None
    assert "does not say whether it keeps its data" in caplog.text


def test_a_store_that_is_away_at_the_start_is_not_refused(configure):
    configure(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0", lossy_store_allowed=False)
    durability.require_durable_store()


@pytest.mark.django_db
def test_a_process_with_a_full_store_is_ready(store):
    store({"maxmemory": 1})
    answer = Client().get("/ready")
    assert (answer.status_code, answer.json()["state_store"]) == (200, "full")
    store({"maxmemory": 0})
    assert Client().get("/ready").json()["state_store"] == "ok"


@pytest.mark.django_db
def test_a_store_that_answers_info_and_serves_nothing_is_away(store):
    admin = store({"replica-serve-stale-data": "no"})
    admin.replicaof("127.0.0.1", servers.free_port())
    try:
        answer = Client().get("/ready")
    finally:
        admin.replicaof("NO", "ONE")
    assert (answer.status_code, answer.json()["state_store"]) == (503, "unreachable")


def test_one_lossy_node_makes_the_store_lossy():
    good, bad = StoreNode(1, 1, 0, "noeviction", True), StoreNode(1, 1, 0, "volatile-ttl", True)
    assert StoreFacts({"a": good, "b": bad}).is_lossy is True
    assert StoreFacts({"a": good, "b": good}).is_lossy is False
    assert len(StoreFacts({"a": bad, "b": bad}).faults) == 1
