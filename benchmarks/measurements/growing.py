"""How the cost of a switch grows: with sessions in the store, with participants, with web processes."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import making
from bench import Bench, sizes
from callers import Round, ask_at, ask_for
from measurements.switching import SESSIONS, refused, switch_rounds, throughput
from results import Curve, Outcome, Spread, at_most, percentile
from servers import Group

_SESSIONS, _SESSIONS_SHORT = (1_000, 10_000, 50_000), (100, 400)
_PARTICIPANTS, _PARTICIPANTS_SHORT = (2, 10, 100, 1_000), (2, 50)
_RATE_PER_S, _FOR_S, _CONNECTIONS = 300, 5.0, 16
_GOAL_MS = 10.0


async def measure(bench: Bench) -> Outcome:
    """Each curve on one web process."""
    outcome = Outcome()
    await _participants(bench, outcome)
    await _processes(bench, outcome)
    await _sessions(bench, outcome)  # the last: the store stays full
    return outcome


async def _participants(bench: Bench, outcome: Outcome) -> None:
    times, bytes_ = [], []
    for participants in _PARTICIPANTS_SHORT if bench.is_short else _PARTICIPANTS:
        session_ids = await making.running_sessions(8, participants)
        rounds = await _one_at_a_time(bench, session_ids, outcome)
        times.append((float(participants), rounds.median))
        size = await sizes(participants)
        bytes_.append((float(participants), float(size.message)))
        outcome.notes.append(
            f"{participants:,} participants: {size.state:,} bytes of state, {size.commit:,} to a commit, "
            f"{size.body:,} in the answer, {size.message:,} to all screens."
        )
    outcome.curves.append(
        Curve("A switch by participants", "participants", "ms (p50, 1 connection)", {"switch": times})
    )
    outcome.curves.append(Curve("A state by participants", "participants", "bytes to each screen", {"frame": bytes_}))


async def _processes(bench: Bench, outcome: Outcome) -> None:
    points: dict[str, list[tuple[float, float]]] = {"product": [], "floor": []}
    for processes in (1, 2):
        rounds = await switch_rounds(bench, bench.product(processes), bench.floor(processes), _CONNECTIONS)
        line = throughput(f"switches, {processes} process{'es' * (processes > 1)}", rounds[0], rounds[1])
        outcome.rows.append(line)
        outcome.faults += refused(rounds[0])
        assert line.floor is not None
        points["product"].append((float(processes), 1000 / line.product.median))
        points["floor"].append((float(processes), 1000 / line.floor.median))
    outcome.curves.append(Curve("A switch by web processes", "processes", "ms for each, 16 connections", points))


async def _sessions(bench: Bench, outcome: Outcome) -> None:
    session_ids = await making.running_sessions(SESSIONS)
    there, points = SESSIONS, []
    for number in _SESSIONS_SHORT if bench.is_short else _SESSIONS:
        await making.running_sessions(max(0, number - there), is_audited=False)
        there = max(there, number)
        points.append((float(number), (await _one_at_a_time(bench, session_ids, outcome)).median))
    outcome.curves.append(
        Curve("A switch by sessions in the store", "sessions", "ms (p50, 1 connection)", {"switch": points})
    )
    rounds = await bench.in_turns(lambda: _steadily(bench, bench.product(), session_ids))
    outcome.faults += refused(rounds[0])
    slowest = Spread.of([percentile(one.latencies_ms, 0.99) for one in rounds[0]])
    outcome.verdicts.append(
        at_most(f"p99 of {_RATE_PER_S} switches/s with {there:,} sessions running", _GOAL_MS, slowest, "ms")
    )


async def _one_at_a_time(bench: Bench, session_ids: list[UUID], outcome: Outcome) -> Spread:
    """p50 in ms, on one connection."""
    product, (person,) = bench.product(), making.tokens(1)

    async def turn() -> Round:
        return await ask_for(product.host, product.port, [making.switches(session_ids, person)], bench.seconds)

    (rounds,) = await bench.in_turns(turn)
    outcome.faults += refused(rounds)
    return Spread.of([percentile(one.latencies_ms, 0.5) for one in rounds])


async def _steadily(bench: Bench, product: Group, session_ids: list[UUID]) -> Round:
    people = making.tokens(_CONNECTIONS)

    def requests(place: int) -> Iterator[bytes]:
        return making.switches(session_ids[place::_CONNECTIONS], people[place])

    seconds = 1.0 if bench.is_short else _FOR_S
    return await ask_at(product.host, product.port, [requests(n) for n in range(_CONNECTIONS)], _RATE_PER_S, seconds)
