"""Metrics for Prometheus. Figures of the stores are read at each scrape, so that they do not depend on one process:
without a timekeeper, for example, no process would count overdue deadlines.

A figure that cannot be read is missing, never 0; `synckairos_state_store_up` shows the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from synckairos.errors import ServiceUnavailable
from synckairos.ops.bounded_check import BoundedCheck
from synckairos.ops.database import audit_store_status
from synckairos.ops.durability import durability_of
from synckairos.ops.store_facts import StoreFacts, store_facts
from synckairos.ops.timekeepers import TimekeepingStatus, timekeeping_status
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from synckairos.telemetry import buffered_metrics, dead_processes, logs, metrics

log = logs.get_logger(__name__)

_TIMEOUT_S = 3.0
"""Seconds. Prometheus waits for 10 s by default."""


class StateStoreFigures(Struct, frozen=True):
    """Figures of the state store."""

    facts: StoreFacts
    status: TimekeepingStatus
    outbox: int
    dead_letters: int


def exposition() -> bytes:
    """Return all metrics: of every process that shares a directory on this host, or of this process."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = CollectorRegistry()
    registry.register(StateStoreCollector())
    registry.register(AuditStoreCollector())
    if directory is None:
        registry.register(REGISTRY)
        return generate_latest(registry)
    buffered_metrics.flush()
    dead_processes.merge(Path(directory))
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    with dead_processes.reading(Path(directory)):
        return generate_latest(registry)


def serve_metrics(port: int | None, host: str) -> None:
    """Serve this process's metrics on a port of their own; without a port nothing."""
    if port is None:
        return
    registry = CollectorRegistry()
    registry.register(StateStoreCollector())
    registry.register(REGISTRY)
    start_http_server(port, host, registry=registry)


def measure_state_store() -> StateStoreFigures:
    """Read the figures of the state store: a few round trips, and one for each shard. Raises when it is away."""
    client = redis_client.blocking_client()
    facts, found = store_facts(), run_blocking(timekeeping_status())
    waiting = [stream for shard in keys.all_shards() for stream in keys.undrained_outboxes(shard)]
    dead = [keys.outbox_dead(shard) for shard in keys.all_shards()]
    pipe = client.pipeline(transaction=False)
    for stream in (*waiting, *dead):
        pipe.xlen(stream)
    lengths = pipe.execute()
    return StateStoreFigures(
        facts, found, outbox=sum(lengths[: len(waiting)]), dead_letters=sum(lengths[len(waiting) :])
    )


_measurement = BoundedCheck("scrape", measure_state_store, _TIMEOUT_S)


class StateStoreCollector(Collector):
    """Reads the state store at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures, or only that the store is down."""
        try:
            measured = _measurement.result()
        except (*redis_client.ERRORS, ServiceUnavailable, TimeoutError) as away:
            log.warning("state store not measured", error=type(away).__name__)
            yield metrics.STATE_STORE_UP.family(0)
            return
        yield metrics.STATE_STORE_UP.family(1)
        shards = measured.status.shards.values()
        yield metrics.DEADLINES_OVERDUE.family(sum(shard.overdue for shard in shards))
        longest_ms = max((shard.longest_overdue_ms for shard in shards), default=0)
        yield metrics.LONGEST_OVERDUE_SECONDS.family(longest_ms / 1000)
        yield metrics.TIMEKEEPERS.family(len(measured.status.timekeepers))
        yield metrics.SHARDS_UNSERVED.family(sum(shard.holder is None for shard in shards))
        yield metrics.SET_ASIDE.family(sum(shard.set_aside for shard in shards))
        yield metrics.OUTBOX_ENTRIES.family(measured.outbox)
        yield metrics.DEAD_LETTERS.family(measured.dead_letters)
        yield from _store_metrics(measured.facts)


def _store_metrics(facts: StoreFacts) -> Iterator[Metric]:
    used, most = metrics.STORE_MEMORY_USED.family(), metrics.STORE_MEMORY_MAX.family()
    policy = metrics.STORE_POLICY.family()
    for name, node in facts.nodes.items():
        if node.used_bytes is not None:
            used.add_metric([name], node.used_bytes)
        if node.max_bytes:
            most.add_metric([name], node.max_bytes)
        aof = {True: "yes", False: "no", None: "unknown"}[node.has_append_only_file]
        policy.add_metric([name, node.policy or "unknown", aof], 1)
    yield from (used, most, policy)
    if facts.nodes:
        yield metrics.STORE_FULL.family(facts.is_full)
    if durability_of(facts) != "unknown":
        yield metrics.STORE_LOSSY.family(bool(facts.is_lossy))


class AuditStoreCollector(Collector):
    """Checks the database at each scrape, in processes that use it."""

    def collect(self) -> Iterator[Metric]:
        """Yield whether the database is up."""
        yield metrics.AUDIT_STORE_UP.family(audit_store_status() != "unreachable")
