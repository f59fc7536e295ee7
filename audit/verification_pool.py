"""The verification of many sessions, in several processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import TypeAlias

from django.db import connections

from audit.child_process import begin
from audit.verification import verify_parts
from audit.verification_faults import Verified
from audit.verification_rows import Part

Portion: TypeAlias = tuple[Part, ...]
_AHEAD = 4
"""Number of portions for each process that wait for it."""


def default_processes() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verified_portions(portions: Iterator[Portion], processes: int) -> Iterator[tuple[Portion, list[Verified]]]:
    """Yield each portion with its results, in order. A few sessions need no process of their own."""
    first = list(islice(portions, 2))
    portions = chain(first, portions)
    if processes <= 1 or len(first) < 2:  # noqa: PLR2004 - more than one
        for portion in portions:
            yield portion, verify_parts(portion)
        return
    connections.close_all()  # a process opens its own
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=begin) as pool:
        try:
            yield from _in_order(pool, portions, processes * _AHEAD)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, portions: Iterator[Portion], ahead: int
) -> Iterator[tuple[Portion, list[Verified]]]:
    pending: deque[tuple[Portion, Future[list[Verified]]]] = deque()
    for portion in portions:
        pending.append((portion, pool.submit(verify_parts, portion)))
        if len(pending) > ahead:
            done, future = pending.popleft()
            yield done, future.result()
    while pending:
        done, future = pending.popleft()
        yield done, future.result()
