"""Background tasks: referenced until they end, logged when they fail, restarted if they are permanent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, cast

from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

_RESTART_DELAY_S = 0.5
_CANCEL_INTERVAL_S = 1.0

_running: set[asyncio.Task[None]] = set()


def start(work: Awaitable[None], name: str, context: Context | None = None) -> asyncio.Task[None]:
    """Start a task, and keep a reference to it until it ends."""
    task = asyncio.create_task(cast("Coroutine[Any, Any, None]", work), name=name, context=context)
    _running.add(task)
    task.add_done_callback(_log_failure, context=context)
    return task


def run_forever(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """Start a task that is restarted whenever it ends. Its own context keeps ids of the first client out of its log
    lines."""
    return start(_restart_forever(work, name), name, Context())


async def stop(*tasks: asyncio.Task[Any], within_s: float = math.inf) -> None:
    """Cancel tasks, and wait until they have ended, or for `within_s` seconds.

    Cancellation is repeated: redis-py writes with `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
    at the moment when the write ends, and a task in a loop would go on.
    """
    loop = asyncio.get_running_loop()
    deadline_s, pending = loop.time() + within_s, {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        if (remaining_s := deadline_s - loop.time()) <= 0:
            break
        _, pending = await asyncio.wait(pending, timeout=min(remaining_s, _CANCEL_INTERVAL_S))


async def _restart_forever(work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            # Screens depend on it, so it is started again.
            metrics.SOCKET_FAULTS.inc()
            log.exception("task failed", task=name)
        await asyncio.sleep(_RESTART_DELAY_S)


def _log_failure(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, OSError | RuntimeError) and task.get_name() in {"send", "close"}:
        log.debug(
            "client gone", task=task.get_name(), error=type(error).__name__
        )  # the server raises these for a closed connection
    elif error is not None:
        metrics.SOCKET_FAULTS.inc()
        log.error("task failed", task=task.get_name(), exc_info=error)
