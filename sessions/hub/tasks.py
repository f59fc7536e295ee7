"""Tasks that nobody awaits: kept alive until they end, and heard of when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextvars import Context
from typing import Any, cast

from synckairos import logs, metrics

log = logs.get(__name__)

_running: set[asyncio.Task[None]] = set()


def start(work: Awaitable[None], name: str, context: Context | None = None) -> asyncio.Task[None]:
    """Run this beside everything else."""
    task = asyncio.create_task(cast("Coroutine[Any, Any, None]", work), name=name, context=context)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, OSError):
        log.debug("client gone", task=task.get_name(), error=type(error).__name__)  # the server's way to say so
    elif error is not None:
        metrics.SOCKET_FAULTS.inc()
        log.error("task failed", task=task.get_name(), exc_info=error)
