"""What load balancers and Prometheus ask: `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from hmac import compare_digest

from django.db import Error as DatabaseFault
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError

from sessions.store.calls import run
from sessions.timekeeping.status import alive
from synckairos import context, counting, keys, lifecycle, logs, metrics
from synckairos import redis as stores
from synckairos.conf import conf
from synckairos.errors import ApiError, MethodNotAllowed, NotFound, ServiceUnavailable, Unauthenticated
from synckairos.http.drf import plain_answer
from synckairos.principal import bearer_token

log = logs.get(__name__)

View = Callable[[HttpRequest], HttpResponse]


def read_only(view: View) -> View:
    """GET and HEAD; another method is answered like everywhere else (Django's own decorators answer in HTML)."""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        refused = plain_answer(MethodNotAllowed())
        refused["Allow"] = "GET, HEAD"
        return refused

    return checked


@read_only
def health(request: HttpRequest) -> HttpResponse:
    """The process runs. Touches nothing."""
    context.note(route="/health")
    return JsonResponse({"status": "ok"})


@read_only
def ready(request: HttpRequest) -> HttpResponse:
    """Both stores can be reached. Names the one that cannot, and nothing about it."""
    context.note(route="/ready")
    if lifecycle.is_draining():
        return JsonResponse({"status": "not_ready", "error": "draining"}, status=503)
    checks = {"state_store": _state_store_answers(), "audit_store": _audit_store_answers()}
    away = [name for name, answers in checks.items() if not answers]
    states = {name: "ok" if answers else "unreachable" for name, answers in checks.items()}
    if away:
        body = {"status": "not_ready", "error": f"{' and '.join(away)} unreachable", **states}
        return JsonResponse(body, status=503)
    return JsonResponse({"status": "ready", **states, "timekeeper": _timekeeper()})


@read_only
def prometheus(request: HttpRequest) -> HttpResponse:
    """All metrics: of every process of this stack when they share a directory, else of this one."""
    context.note(route="/metrics")
    if not _may_read_metrics(request):
        return _refused(NotFound() if conf().metrics_token is None else Unauthenticated())
    _measure_outbox()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counting.write()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    """By the token of the metrics, which is no token of a person; on a laptop without one, anybody."""
    expected = conf().metrics_token
    if expected is None:
        return conf().metrics_open
    given = bearer_token(request.headers.get("Authorization")) or ""
    return compare_digest(given.encode(), expected.encode())


def _refused(error: ApiError) -> HttpResponse:
    answer = plain_answer(error)
    if isinstance(error, Unauthenticated):
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def _state_store_answers() -> bool:
    try:
        return bool(stores.client().ping())
    except RedisError as error:
        log.warning("state store unreachable", error=type(error).__name__)
        return False


def _timekeeper() -> str:
    """Without one, pushes are late and states right all the same: worth an alarm, no reason to turn users away."""
    try:
        return "ok" if run(alive()) else "absent"
    except ServiceUnavailable:
        return "unknown"


def _audit_store_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFault as error:
        log.warning("audit store unreachable", error=type(error).__name__)
        return False
    return True


def _measure_outbox() -> None:
    try:
        waiting = sum(stores.client().xlen(keys.outbox(shard)) for shard in keys.all_shards())
    except RedisError:
        return
    metrics.OUTBOX_LENGTH.set(waiting)
