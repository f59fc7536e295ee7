"""What load balancers and Prometheus ask: `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

import os

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError

from synckairos import context, keys, logs, metrics
from synckairos import redis as stores

log = logs.get(__name__)


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """The process runs. Touches nothing."""
    context.note(route="/health")
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Both stores can be reached. Names the one that cannot, and nothing about it."""
    context.note(route="/ready")
    checks = {"state_store": _state_store_answers(), "audit_store": _audit_store_answers()}
    away = [name for name, answers in checks.items() if not answers]
    states = {name: "ok" if answers else "unreachable" for name, answers in checks.items()}
    if away:
        body = {"status": "not_ready", "error": f"{' and '.join(away)} unreachable", **states}
        return JsonResponse(body, status=503)
    return JsonResponse({"status": "ready", **states})


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """All metrics: of every process of this stack when they share a directory, else of this one."""
    context.note(route="/metrics")
    _measure_outbox()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _state_store_answers() -> bool:
    try:
        return bool(stores.client().ping())
    except RedisError as error:
        log.warning("state store unreachable", error=type(error).__name__)
        return False


def _audit_store_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("audit store unreachable", error=type(error).__name__)
        return False
    return True


def _measure_outbox() -> None:
    try:
        waiting = sum(stores.client().xlen(keys.outbox(shard)) for shard in keys.all_shards())
    except RedisError:
        return
    metrics.OUTBOX_LENGTH.set(waiting)
