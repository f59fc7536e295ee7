"""Tasks that nobody awaits: kept alive until they end, heard of when they fail, the lasting ones begun again, and ended
when their time has come."""

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
    """Run this beside everything else."""
    task = asyncio.create_task(cast("Coroutine[Any, Any, None]", work), name=name, context=context)
    _running.add(task)
    task.add_done_callback(_log_failure, context=context)
    return task


def run_forever(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """Run this for as long as the process serves, whatever befalls it; in a context of its own, so that its log lines
    are not those of the client that came first."""
    return start(_restart_forever(work, name), name, Context())


async def stop(*tasks: asyncio.Task[Any], within_s: float = math.inf) -> None:
    """Cancel these, and wait until they have ended, or for so long.

    They are asked more than once: redis-py writes with `asyncio.wait_for`, which before Python 3.12 swallows a
    cancellation that comes in the moment the writing is done, and a task that goes round for ever would go on.
    """
    loop = asyncio.get_running_loop()
    until, left = loop.time() + within_s, {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        if (left_s := until - loop.time()) <= 0:
            break
        _, left = await asyncio.wait(left, timeout=min(left_s, _CANCEL_INTERVAL_S))


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
