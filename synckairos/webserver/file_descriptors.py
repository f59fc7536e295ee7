"""The limit of open files of a web process: the soft limit becomes the hard one."""

from __future__ import annotations

import resource

from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_FEW_DESCRIPTORS = 4_096
"""A hard limit below this is logged as low: each client takes one descriptor."""


def raise_limit() -> int:
    """Set the soft limit of open files, 1 024 on most systems, to the hard one; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as refused:  # a hard limit without end, where the system has one (macOS)
            log.warning("limit of open files stays", limit=soft, error=str(refused))
            return soft
    if hard != resource.RLIM_INFINITY and hard < _FEW_DESCRIPTORS:
        log.warning("few open files allowed: connections beyond are refused by the system", limit=hard)
    return hard
