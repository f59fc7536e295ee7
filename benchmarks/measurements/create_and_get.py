"""Creating and reading sessions over REST, beside the floor: two round trips to the store, and one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import making
from bench import Bench
from callers import Round, ask_for
from measurements.switching import latency, refused, throughput
from results import Outcome
from servers import Group

_CONNECTIONS = 16
_SESSIONS = 512


async def measure(bench: Bench) -> Outcome:
    """One process of each."""
    outcome = Outcome()
    product, floor = bench.product(), bench.floor()
    session_ids = await making.running_sessions(_SESSIONS)
    people = making.tokens(_CONNECTIONS)

    def turn(group: Group, requests: Callable[[str], Iterator[bytes]]) -> Callable[[], Awaitable[Round]]:
        return lambda: ask_for(group.host, group.port, [requests(person) for person in people], bench.seconds)

    numbers = range(_SESSIONS)
    cases = {
        "create": (making.creations, lambda person: making.floor_requests(numbers, "switch", person)),
        "get": (
            lambda person: making.reads(session_ids, person),
            lambda person: making.floor_reads(numbers, person),
        ),
    }
    for name, (ours, theirs) in cases.items():
        rounds = await bench.in_turns(turn(product, ours), turn(floor, theirs))
        outcome.rows += [
            throughput(f"{name}, {_CONNECTIONS} connections", *rounds),
            latency(f"{name}, p50", 0.5, *rounds),
        ]
        outcome.faults += [fault for some in rounds for fault in refused(some)]
    return outcome
