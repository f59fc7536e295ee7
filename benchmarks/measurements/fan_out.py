"""A frame to every socket, beside the floor: many sockets of one session, and few sockets of many."""

from __future__ import annotations

from announcing import BareFrames, Sessions
from bench import Bench
from making import running_sessions, tokens
from results import Curve, Outcome, Row, Spread, at_least, row
from watching import Watchers, watching

SOCKETS = ((100, 1), (1_000, 1), (10_000, 1), (4_000, 1_000), (4_000, 1))
"""Sockets in all, and sessions they belong to; the goals are about the last."""
SHORT = ((80, 20), (40, 1))
_GOAL, _GOAL_OF_TWO = 0.9, 1.3
_DELIVERIES = 30_000
_SWITCHES = range(3, 41)


async def measure(bench: Bench) -> Outcome:
    """One process of each; then two, for the most sockets of one session."""
    outcome = Outcome()
    cases = SHORT if bench.is_short else SOCKETS
    found = {one: await case(bench, *one, 1, outcome) for one in cases}
    judged = cases[-1]
    single, both = found[judged], await case(bench, *judged, 2, outcome)
    outcome.rows += [*found.values(), both]
    assert single.ratio is not None
    assert single.floor is not None
    assert both.floor is not None
    outcome.verdicts += [
        at_least(f"fan-out deliveries/s ÷ floor, {judged[0]:,} sockets, one process", _GOAL, single.ratio),
        at_least("the same, two processes ÷ one", _GOAL_OF_TWO, _quotient(both.product, single.product)),
    ]
    outcome.notes.append(f"The floor itself, two processes ÷ one: {_quotient(both.floor, single.floor)}.")
    outcome.curves.append(_curve(found))
    return outcome


async def case(bench: Bench, sockets: int, sessions: int, processes: int, outcome: Outcome) -> Row:
    """Deliveries a second of both, in turns, with all sockets of both open."""
    session_ids = await running_sessions(sessions)
    product, floor = bench.product(processes), bench.floor(processes)
    (person,) = tokens(1)
    addresses = [(str(session_ids[n % sessions]), person) for n in range(sockets)]
    switches = min(max(_DELIVERIES // sockets, _SWITCHES.start), _SWITCHES.stop) if not bench.is_short else 3
    ours, theirs = await Sessions.of(session_ids), BareFrames(session_ids, bench.sizes.message)
    async with (
        watching(product.host, product.port, addresses) as our_viewers,
        watching(floor.host, floor.port, addresses) as their_viewers,
    ):

        async def turn(source: Sessions | BareFrames, viewers: Watchers) -> float:
            took_ns = sum([await delivered(source, viewers, sessions, outcome) for _ in range(switches)])
            return sockets * switches / took_ns * 1e9

        rounds = await bench.in_turns(lambda: turn(ours, our_viewers), lambda: turn(theirs, their_viewers))
        name = f"{sockets:,} sockets of {_many(sessions, 'session')}, {_many(processes, 'process', 'es')}"
        opened = f"opened in {our_viewers.opened_s:.1f} s (floor {their_viewers.opened_s:.1f} s)"
        outcome.notes.append(f"{name}: {opened}; open files of each process {product.open_files}, {floor.open_files}.")
    return row(name, "deliveries/s", *rounds)


async def delivered(source: Sessions | BareFrames, viewers: Watchers, sessions: int, outcome: Outcome) -> int:
    """Publish, and wait for the last socket; gives the time between in ns."""
    due = await source.next()
    answer = await viewers.reached(due.version, sessions)
    began_ns = await due.publish()
    told = await answer
    if told["lost"] or told["groups"] < sessions:
        outcome.faults.append(f"version {due.version} did not reach every socket: {told}")
    return max(told["at_ns"] - began_ns, 1)


def _many(number: int, noun: str, ending: str = "s") -> str:
    return f"{number:,} {noun}{ending * (number > 1)}"


def _quotient(one: Spread, other: Spread) -> Spread:
    return Spread(one.median / other.median, one.low / other.high, one.high / other.low)


def _curve(found: dict[tuple[int, int], Row]) -> Curve:
    """Time until the last of the sockets has a frame."""
    of_one = {sockets: one for (sockets, sessions), one in sorted(found.items()) if sessions == 1}
    lines = {
        "product": [(float(n), n / one.product.median * 1000) for n, one in of_one.items()],
        "floor": [(float(n), n / one.floor.median * 1000) for n, one in of_one.items() if one.floor is not None],
    }
    return Curve("A frame to all sockets of one session", "sockets", "ms until the last has it", lines)
