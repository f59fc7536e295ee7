"""`/ready`: readiness of this process, which needs the state store and a database schema that fits.

Other faults are reported and leave it ready: no request would be served without a process in the load balancer.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET, Struct, UnsetType

from synckairos import lifecycle
from synckairos.errors import ServiceUnavailable
from synckairos.http.django_views import read_only
from synckairos.http.openapi import components_of, get_path, json_answer, ref
from synckairos.ops.database import AuditStore, audit_store_status
from synckairos.ops.durability import Durability, durability_of
from synckairos.ops.store_facts import StoreFacts, store_facts
from synckairos.ops.timekeepers import alive_timekeepers
from synckairos.redis import client as redis_client
from synckairos.redis.procedures import run_blocking
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

PATH = "/ready"


class ReadyView(Struct, kw_only=True):
    """This process should get requests."""

    status: Literal["ready"]
    state_store: Literal["ok", "full"]
    """`full`: every process refuses commands; reads go on."""
    audit_store: Literal["ok", "unreachable"]
    """`unreachable`: commands wait in the outbox, and logins fail."""
    timekeeper: Literal["ok", "absent", "unknown"]
    """`absent`: frames about expiries are late, states are right."""
    durability: Durability
    """`lossy`: the state store may lose acknowledged data."""


class NotReadyView(Struct, kw_only=True):
    """This process should get no requests; `error` says why."""

    status: Literal["not_ready"]
    error: str
    state_store: Literal["ok", "unreachable"] | UnsetType = UNSET
    audit_store: AuditStore | UnsetType = UNSET


@read_only
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 or 503 with the faults, and no details about them."""
    view = readiness()
    status = 200 if isinstance(view, ReadyView) else 503
    return HttpResponse(msgspec.json.encode(view), status=status, content_type="application/json")


def readiness() -> ReadyView | NotReadyView:
    """Return the readiness of this process."""
    if lifecycle.is_draining():
        return _not_ready("draining")
    audit = audit_store_status()
    facts = _state_store()
    if facts is None:
        return _not_ready("state_store unreachable", state_store="unreachable", audit_store=audit)
    if audit == "unmigrated":
        return _not_ready("audit_store has unapplied migrations", state_store="ok", audit_store=audit)
    return ReadyView(
        status="ready",
        state_store="full" if facts.is_full else "ok",
        audit_store=audit,
        timekeeper=_timekeeper(),
        durability=durability_of(facts),
    )


def _not_ready(error: str, **stores: Any) -> NotReadyView:
    return NotReadyView(status="not_ready", error=error, **stores)


def _state_store() -> StoreFacts | None:
    """Return the facts of the state store; None when it is away."""
    try:
        redis_client.blocking_client().ping()  # INFO succeeds while a store loads or has no master, and serves nothing
        return store_facts()
    except redis_client.ERRORS as error:
        log.warning("state store unreachable", error=type(error).__name__)
        return None


def _timekeeper() -> Literal["ok", "absent", "unknown"]:
    """Return the status of timekeeping. Without a timekeeper frames are late and states right: an alarm, no
    unreadiness."""
    try:
        return "ok" if run_blocking(alive_timekeepers()) else "absent"
    except ServiceUnavailable:
        return "unknown"


COMPONENTS = components_of(ReadyView, NotReadyView)
OPERATIONS: dict[str, Any] = {
    PATH: get_path(
        "getReadiness",
        "operations",
        "Readiness of the process for requests",
        {
            "200": json_answer("Ready. Faults that do not prevent requests are listed.", ref("Ready")),
            "503": json_answer("Not ready, for the reason in `error`.", ref("NotReady")),
        },
    )
}
"""Paths for the OpenAPI document."""
