"""Queries of the audit for requests: in threads of their own, so that a database that is away delays nothing else."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from django.db import Error, close_old_connections

from synckairos.errors import ServiceUnavailable
from synckairos.telemetry import logs

log = logs.get_logger(__name__)
T = TypeVar("T")

_WITHIN_S = 3.0
"""Longest wait for a query, and for a thread before it."""
_MAX_THREADS = 4
"""Queries at a time in one process, each with a connection to the database."""
_AWAY = "The audit cannot be reached, and this is answered from it: ask again later"
_BEHIND = "The audit has not stored all of this yet: ask again later"

_threads = ThreadPoolExecutor(_MAX_THREADS, "audit")


def audit_behind() -> ServiceUnavailable:
    """Return the error for a question that the audit cannot answer before more is written."""
    return ServiceUnavailable(_BEHIND, details={"reason": "audit_behind"})


def run_query(query: Callable[[], T]) -> T:
    """Return the result of a query. Raises ServiceUnavailable when the audit gives none in time, and what the query
    raises."""
    future = _submit(query)
    try:
        return future.result(_WITHIN_S)
    except concurrent.futures.TimeoutError:
        future.cancel()
        raise _away("timeout") from None


async def run_query_async(query: Callable[[], T]) -> T:
    """Do the same on an event loop."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await asyncio.wrap_future(_submit(query))
    except TimeoutError:
        raise _away("timeout") from None


def _submit(query: Callable[[], T]) -> Future[T]:
    return _threads.submit(partial(_run, query))


def _run(query: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return query()
    except Error as fault:
        raise _away(type(fault).__name__) from None
    finally:
        close_old_connections()


def _away(error: str) -> ServiceUnavailable:
    log.warning("the audit does not answer", error=error)
    return ServiceUnavailable(_AWAY, details={"reason": "audit_away"})
