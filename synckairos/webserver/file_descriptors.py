"""How many sockets a web process may have open: as many as whoever started it allows at most."""

from __future__ import annotations

import resource

from synckairos.telemetry import logs

log = logs.get_logger(__name__)

FEW = 4_096
"""Descriptors of which a process says that they are few: each client takes one."""


def raise_limit() -> int:
    """Take the hard limit of open files for the soft one, which is 1 024 in most places; gives the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as refused:  # a hard limit without end, where the system has one (macOS)
            log.warning("limit of open files stays", limit=soft, error=str(refused))
            return soft
    if hard != resource.RLIM_INFINITY and hard < FEW:
        log.warning("few open files allowed: connections beyond are refused by the system", limit=hard)
    return hard
