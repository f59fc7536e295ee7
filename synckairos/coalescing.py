"""Coalescing: work that several events of a batch have in common is done once, after the last of them.

The replies of the store come in batches when there is much to do. Each of them leads to a system call: an answer is
written, a line is logged. Together they need fewer, and wake up their reader once. A single event waits for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)  # not synckairos.telemetry.logs, which uses this module

_deferred: list[Callable[[], None]] | None = None


def begin() -> None:
    """Begin a batch: several events are handled one right after the other."""
    global _deferred  # noqa: PLW0603 - a process has one event loop that serves
    _deferred = []


def end() -> None:
    """End the batch, and run what was deferred. An act that raises is logged, and the others run."""
    global _deferred
    acts, _deferred = _deferred or (), None
    for act in acts:
        try:
            act()
        except Exception:
            log.exception("what events have in common was not done")  # that of the others is


def defer(act: Callable[[], None]) -> bool:
    """Run this at the end of the batch, and return True; return False outside of a batch: then the caller runs it."""
    if _deferred is None:
        return False
    _deferred.append(act)
    return True
