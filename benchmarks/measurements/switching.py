"""A switch over REST, beside the floor: as many as will be answered on 1, 16 and 64 connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import making
from bench import Bench
from callers import Round, ask_for
from results import Outcome, Row, at_least, at_most, percentile, row
from servers import Group

CONNECTIONS = (1, 16, 64)
SESSIONS = 512
_THROUGHPUT, _MEDIAN = 0.6, 1.6


async def measure(bench: Bench) -> Outcome:
    """One process of each."""
    outcome = Outcome()
    for connections in CONNECTIONS:
        rounds = await switch_rounds(bench, bench.product(), bench.floor(), connections)
        _report(outcome, connections, *rounds)
    return outcome


async def switch_rounds(bench: Bench, product: Group, floor: Group, connections: int) -> list[list[Round]]:
    """Rounds of the product, of the floor, and of the floor over a bare connection to the store."""
    session_ids = await making.running_sessions(SESSIONS)
    names = making.tokens(connections)

    def ours(place: int) -> Iterator[bytes]:
        return making.switches(session_ids[place::connections], names[place])

    def theirs(place: int, verb: str) -> Iterator[bytes]:
        return making.floor_requests(range(place, SESSIONS, connections), verb, names[place])

    def turn(group: Group, requests: Callable[[int], Iterator[bytes]]) -> Callable[[], Awaitable[Round]]:
        places = range(connections)
        return lambda: ask_for(group.host, group.port, [requests(place) for place in places], bench.seconds)

    return await bench.in_turns(
        turn(product, ours),
        turn(floor, partial(theirs, verb="switch")),
        turn(floor, partial(theirs, verb="bare")),
    )


def throughput(name: str, product: list[Round], floor: list[Round]) -> Row:
    """A line of answers a second."""
    return row(name, "/s", [one.per_s for one in product], [one.per_s for one in floor])


def latency(name: str, share: float, product: list[Round], floor: list[Round]) -> Row:
    """A line of a percentile of latencies."""
    found = ([percentile(one.latencies_ms, share) for one in rounds] for rounds in (product, floor))
    return row(name, "ms", *found)


def refused(rounds: list[Round]) -> list[str]:
    """What was no success."""
    return [text.decode("latin-1") for one in rounds for text in one.refused[:3]]


def _report(outcome: Outcome, connections: int, product: list[Round], floor: list[Round], bare: list[Round]) -> None:
    name = f"{connections} connection{'s' * (connections > 1)}"
    per_s = throughput(f"switches, {name}", product, floor)
    median = latency(f"p50, {name}", 0.5, product, floor)
    outcome.rows += [per_s, median, latency(f"p99, {name}", 0.99, product, floor)]
    outcome.rows.append(throughput(f"switches, {name}, beside the bare connection", product, bare))
    outcome.rows.append(latency(f"p50, {name}, beside the bare connection", 0.5, product, bare))
    outcome.faults += refused(product) + refused(floor) + refused(bare)
    assert per_s.ratio is not None
    assert median.ratio is not None
    outcome.verdicts.append(at_least(f"REST switch throughput ÷ floor, {name}", _THROUGHPUT, per_s.ratio))
    if connections == 1:
        outcome.verdicts.append(at_most("REST switch p50 ÷ floor, 1 connection", _MEDIAN, median.ratio))
