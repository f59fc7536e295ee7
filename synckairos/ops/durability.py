"""A store that may lose what it has acknowledged: said at the start, and in production refused unless it is allowed."""

from __future__ import annotations

import sys
import threading
from typing import Literal, TypeAlias

from synckairos.conf import conf
from synckairos.ops.bounded_check import BoundedCheck
from synckairos.ops.store_facts import StoreFacts, store_facts
from synckairos.redis import client as stores
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

Durability: TypeAlias = Literal["ok", "lossy", "unknown"]

SETTING = "SYNCKAIROS_ALLOW_LOSSY_STORE"
_AT_START_S = 2.0
_at_start = BoundedCheck("state store", store_facts, _AT_START_S)
_has_warned = threading.Event()
"""Each process says it once."""


def require_durable_store() -> None:
    """At the start of a process: end it when the store may lose data and that is not allowed.

    A store that is away is nothing to end for; what is wrong with it is said when it is back.
    """
    try:
        facts = _at_start.result()
    except (*stores.FAULTS, TimeoutError):
        return
    if facts.is_lossy and not conf().lossy_store_allowed:
        allow = f"configure the store, or set {SETTING}=1 to start all the same"
        log.critical("not started: the state store may lose data", reasons=facts.faults, help=allow)
        sys.exit(1)
    durability_of(facts)


def durability_of(facts: StoreFacts) -> Durability:
    """In a word, and with its reasons once in the log."""
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
