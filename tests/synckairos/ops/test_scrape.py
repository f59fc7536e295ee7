"""Figures of the stores are read at each scrape by any process; unknown figures are missing, never 0."""

from __future__ import annotations

import re
import signal
import sys
from uuid import uuid4

import httpx
import pytest
from django.test import Client

from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests import servers
from tests.servers import wait_until
from tests.talk import created

HOUR_MS = 3_600_000
OF_THE_STORE = {
    "deadlines_overdue",
    "deadlines_longest_overdue_seconds",
    "timekeepers",
    "shards_unserved",
    "sessions_set_aside",
    "outbox_entries",
    "dead_letters",
    "store_full",
    "store_lossy",
}
EVERYWHERE = {"timekeepers": 1, "shards_unserved": 0, "sessions_set_aside": 1, "dead_letters": 1}
PER_NODE = {"store_memory_used_bytes", "store_policy_info"}


def figures(text):
    """Return the samples of this product by their names without labels."""
    lines = re.findall(r"^synckairos_([a-z_]+)(\{.*?\})? (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, _, value in lines}


def scraped():
    return figures(Client().get("/metrics").text)


def now_ms():
    return redis_client.blocking_client().time()[0] * 1000


def add_trouble():
    """One deadline that is an hour overdue, two entries that wait, one dead letter, one session set aside."""
    client = redis_client.blocking_client()
    client.zadd(keys.deadlines(0), {str(uuid4()): now_ms() - HOUR_MS})
    broken = uuid4()
    client.set(keys.state(broken), b"nonsense")  # a timekeeper tries it once more, and sets it aside again
    client.zadd(keys.set_aside(0), {str(broken): now_ms()})
    client.xadd(keys.outbox(0), {"e": "x"})
    client.xadd(keys.outbox_refused(0, 2), {"e": "x"})  # it is tried again by itself
    client.xadd(keys.outbox_dead(0), {"e": "x"})


@pytest.mark.django_db
def test_overdue_deadlines_are_counted_without_a_timekeeper():
    add_trouble()
    shown = scraped()
    assert shown["state_store_up"] == shown["audit_store_up"] == 1
    assert (shown["deadlines_overdue"], shown["timekeepers"], shown["shards_unserved"]) == (1, 0, 1)
    assert shown["deadlines_longest_overdue_seconds"] >= HOUR_MS / 1000
    assert (shown["sessions_set_aside"], shown["outbox_entries"], shown["dead_letters"]) == (1, 2, 1)
    assert shown.keys() >= OF_THE_STORE | PER_NODE
    assert shown["store_memory_used_bytes"] > 0


@pytest.mark.django_db
def test_figures_of_an_unreachable_store_are_missing_and_the_store_is_down(configure):
    configure(redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")
    shown = scraped()
    assert shown["state_store_up"] == 0
    assert not (OF_THE_STORE | PER_NODE) & shown.keys()


@pytest.mark.django_db
def test_a_living_timekeeper_is_counted():
    redis_client.blocking_client().zadd(keys.timekeepers(), {"one": now_ms(), "long gone": now_ms() - 60_000})
    assert scraped()["timekeepers"] == 1


@pytest.mark.timeout(240)
def test_every_scraped_process_shows_the_same_figures(tmp_path, schema_url):
    add_trouble()
    redis_client.blocking_client().delete(
        keys.deadlines(0), keys.outbox(0)
    )  # a timekeeper and a worker would see to them
    timekeeper_port, worker_port = servers.free_port(), servers.free_port()
    celery = [sys.executable, "-m", "celery", "-A", "config.celery", "--quiet", "worker", "--pool", "solo"]
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "DATABASE_URL": schema_url}
    web = servers.web(**shared)
    others = [
        servers.managed("timekeeper", SYNCKAIROS_METRICS_PORT=str(timekeeper_port), **shared),
        servers.Child(celery, env={**shared, "SYNCKAIROS_METRICS_PORT": str(worker_port)}).start(),
    ]
    try:
        web.wait_ready()
        for port in (web.port, timekeeper_port, worker_port):
            wait_until(lambda port=port: EVERYWHERE.items() <= shown_at(port).items(), 60, f"{port} shows {EVERYWHERE}")
    finally:
        for child in (web, *others):
            child.stop(signal.SIGKILL)


def shown_at(port):
    """Its figures; none while it does not answer."""
    try:
        return figures(httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text)
    except httpx.HTTPError:
        return {}


def test_polls_and_streams_are_not_in_the_request_durations(api):
    state = created(api)
    address = f"/v1/sessions/{state['session_id']}"
    assert api.get(f"{address}/poll").status_code == 200
    with api.stream("GET", f"{address}/stream") as answer:
        assert answer.status_code == 200

    def routes(metric, label):
        text = api.get("/metrics").text
        return set(re.findall(rf'^synckairos_{metric}\{{.*?{label}="([^"]*)".*', text, re.MULTILINE))

    waiting = {"/v1/sessions/<str:session_id>/poll", "/v1/sessions/<str:session_id>/stream"}
    wait_until(lambda: waiting <= routes("http_requests_total", "route"), 30, "both are counted")
    assert waiting == routes("http_waiting_seconds_count", "route")
    assert not waiting & routes("http_request_seconds_count", "route")
