"""Durability of the state store: one that may lose acknowledged data is refused in production, unless allowed."""

from __future__ import annotations

import sys
import threading
from typing import Literal, TypeAlias

from synckairos.conf import conf
from synckairos.ops.bounded_check import BoundedCheck
from synckairos.ops.store_facts import StoreFacts, store_facts
from synckairos.redis import client as redis_client
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

Durability: TypeAlias = Literal["ok", "lossy", "unknown"]

SETTING = "SYNCKAIROS_ALLOW_LOSSY_STORE"
_AT_START_S = 2.0
_at_start = BoundedCheck("state store", store_facts, _AT_START_S)
_has_warned = threading.Event()
"""Set after the first warning of this process."""


def require_durable_store() -> None:
    """Exit when the store may lose data and that is not allowed. Called at the start of a process.

    A store that cannot be reached is not refused; its faults are logged when it is back.
    """
    try:
        facts = _at_start.result()
    except (*redis_client.ERRORS, TimeoutError):
        return
    if facts.is_lossy and not conf().lossy_store_allowed:
        allow = f"configure the store, or set {SETTING}=1 to start all the same"
        log.critical("not started: the state store may lose data", reasons=facts.faults, help=allow)
        sys.exit(1)
    durability_of(facts)


def durability_of(facts: StoreFacts) -> Durability:
    """Return the durability in one word, and log its faults once."""
    if facts.is_lossy is None:
        _warn_once("the state store does not say whether it keeps its data", facts)
        return "unknown"
    if facts.is_lossy:
        _warn_once("the state store may lose data", facts)
        return "lossy"
    return "ok"


def _warn_once(what: str, facts: StoreFacts) -> None:
    if not _has_warned.is_set():
        _has_warned.set()
        log.warning(what, reasons=facts.faults)
