"""What it costs to know who asks: a switch beside the same switch without the check, and the check by itself."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection

import making
from bench import Bench
from callers import Round, ask_for
from measurements.switching import SESSIONS, refused, throughput
from results import Outcome, Spread, at_most, row
from servers import UNCHECKED, Group

from synckairos.auth import principal

_CONNECTIONS = 16
_GOAL = 1.05
_TIMES = 2_000
_PATIENCE_S = 30.0
_NOWHERE = "00000000-0000-4000-8000-000000000000"
_ROUNDS = 15
"""More than elsewhere: what is looked for is smaller than the difference between two rounds of the same."""


async def measure(bench: Bench) -> Outcome:
    """In the columns of the floor stands the product that asks nobody.

    Judged by processor time, which is what a check costs; throughput depends on whoever else has the processor.
    """
    outcome = Outcome()
    group = bench.group(UNCHECKED, 1)
    session_ids = await making.running_sessions(SESSIONS)
    people = making.tokens(_CONNECTIONS)

    def requests(place: int) -> Iterator[bytes]:
        return making.switches(session_ids[place::_CONNECTIONS], people[place])

    def turn(begin: signal.Signals, *, is_checked: bool) -> Callable[[], Awaitable[tuple[Round, float]]]:
        async def ask() -> tuple[Round, float]:
            group.tell(begin)
            async with asyncio.timeout(_PATIENCE_S):
                while await asyncio.to_thread(_asks_who_it_is, group) is not is_checked:
                    pass  # it has not heard yet
            before_s = group.cpu_seconds()
            told = await ask_for(group.host, group.port, [requests(n) for n in range(_CONNECTIONS)], bench.seconds)
            return told, (group.cpu_seconds() - before_s) / len(told.latencies_ms)

        return ask

    rounds = await bench.in_turns(
        turn(signal.SIGUSR2, is_checked=True), turn(signal.SIGUSR1, is_checked=False), rounds=_ROUNDS
    )
    with_it, without = ([told for told, _ in some] for some in rounds)
    cpu_s = [[each_s for _, each_s in some] for some in rounds]
    outcome.rows += [
        throughput("switch with the check, beside without", with_it, without),
        row("processor time of the web process for each", "µs", *([one * 1e6 for one in some] for some in cpu_s)),
    ]
    outcome.faults += refused(with_it) + refused(without)
    cost = Spread.of([one / other for one, other in zip(*cpu_s, strict=True)])
    outcome.verdicts.append(at_most("processor time of a checked switch ÷ of an unchecked one", _GOAL, cost))
    cached_us, fresh_us = _microseconds(people[0])
    outcome.notes.append(f"One token: {cached_us:.1f} µs when it is known, {fresh_us:.0f} µs when it is seen first.")
    return outcome


def _asks_who_it_is(group: Group) -> bool:
    """Whether a stranger is turned away, and not told that there is no such session."""
    connection = HTTPConnection(group.host, group.port, timeout=_PATIENCE_S)
    with closing(connection):
        connection.request("GET", f"/v1/sessions/{_NOWHERE}")
        status = HTTPStatus(connection.getresponse().status)
    if status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
        raise RuntimeError(status)
    return status is HTTPStatus.UNAUTHORIZED


def _microseconds(token: str) -> tuple[float, float]:
    """The check of a token that is known, and of one that is not."""

    def each(forget: Callable[[], None], times: int) -> float:
        took_s = 0.0
        for _ in range(times):
            forget()
            began_s = time.perf_counter()
            principal.authenticate(token)
            took_s += time.perf_counter() - began_s
        return took_s / times * 1e6

    return each(lambda: None, _TIMES), each(principal._verify.cache_clear, _TIMES // 10)  # noqa: SLF001 - to see it anew
