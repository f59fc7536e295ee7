"""A frame to every socket, beside the floor: many sockets of one session, few sockets of many, and two processes.

Cases that are set against each other take turns, with the sockets of all of them open from the beginning: whatever
the machine does meanwhile, their figures are of the same minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from announcing import BareFrames, Sessions
from bench import Bench
from making import running_sessions, tokens
from msgspec import Struct
from results import Curve, Outcome, Row, Spread, at_least, row
from watching import Watchers, watching


class Case(NamedTuple):
    """Sockets in all, the sessions that they belong to, and the processes that serve them."""

    sockets: int
    sessions: int
    processes: int

    def __str__(self) -> str:
        sessions, processes = _many(self.sessions, "session"), _many(self.processes, "process", "es")
        return f"{self.sockets:,} sockets of {sessions}, {processes}"


class Side(Struct, frozen=True):
    """A case of the product or of the floor: whose frames, and who looks."""

    case: Case
    source: Sessions | BareFrames
    viewers: Watchers


Rounds = dict[Case, list[float]]
"""Deliveries a second."""

ONE, TWO = Case(4_000, 1, 1), Case(4_000, 1, 2)
"""The goals are about these."""
GROWING = tuple(Case(sockets, 1, 1) for sockets in (100, 1_000, 3_000, 10_000))
TOGETHER = (
    (ONE, TWO),  # and no other sockets, which one process of the two would have to look after
    GROWING,
    (Case(4_000, 1_000, 1),),
)
SHORT_ONE, SHORT_TWO = Case(40, 1, 1), Case(40, 1, 2)
SHORT = (SHORT_ONE, SHORT_TWO), (Case(80, 20, 1),)
_GOAL, _GOAL_OF_TWO = 0.9, 1.3
_ROUNDS = 31
"""More than elsewhere: in the milliseconds of a delivery it depends on the scheduler who shares a core with whom."""
_DELIVERIES = 30_000
_SWITCHES = range(3, 41)


async def measure(bench: Bench) -> Outcome:
    """Deliveries a second to all sockets, for all cases."""
    outcome = Outcome()
    ours: Rounds = {}
    theirs: Rounds = {}
    for cases in SHORT if bench.is_short else TOGETHER:
        await _in_turns(bench, cases, ours, theirs, outcome)
    rows = {case: row(str(case), "deliveries/s", ours[case], theirs[case]) for case in ours}
    outcome.rows += rows.values()
    one, two = (SHORT_ONE, SHORT_TWO) if bench.is_short else (ONE, TWO)
    beside_floor = rows[one].ratio
    assert beside_floor is not None
    outcome.verdicts += [
        at_least(f"fan-out deliveries/s ÷ floor, {one.sockets:,} sockets, one process", _GOAL, beside_floor),
        at_least("the same, two processes ÷ one", _GOAL_OF_TWO, _quotient(ours[two], ours[one])),
    ]
    outcome.notes.append(f"The floor itself, two processes ÷ one: {_quotient(theirs[two], theirs[one])}.")
    growing = (one,) if bench.is_short else GROWING
    outcome.curves.append(_curve([(case.sockets, rows[case]) for case in growing]))
    return outcome


async def _in_turns(bench: Bench, cases: Sequence[Case], ours: Rounds, theirs: Rounds, outcome: Outcome) -> None:
    """Add the rounds of some cases, of both sides."""
    async with AsyncExitStack() as sockets:
        sides = [side for case in cases for side in await _opened(bench, case, sockets, outcome)]
        rounds = await bench.in_turns(*[_turn(bench, side, outcome) for side in sides], rounds=_ROUNDS)
    ours.update(zip(cases, rounds[::2], strict=True))
    theirs.update(zip(cases, rounds[1::2], strict=True))


async def _opened(bench: Bench, case: Case, sockets: AsyncExitStack, outcome: Outcome) -> tuple[Side, Side]:
    """The sockets of one case, of the product and of the floor."""
    session_ids = await running_sessions(case.sessions)
    (person,) = tokens(1)
    addresses = [(str(session_ids[n % case.sessions]), person) for n in range(case.sockets)]
    product, floor = bench.product(case.processes), bench.floor(case.processes)
    our_viewers = await sockets.enter_async_context(watching(product.host, product.port, addresses))
    their_viewers = await sockets.enter_async_context(watching(floor.host, floor.port, addresses))
    spread = f"open files of each process {product.open_files}, {floor.open_files}"
    outcome.notes.append(
        f"{case}: opened in {our_viewers.opened_s:.1f} s (floor {their_viewers.opened_s:.1f} s); {spread}."
    )
    ours = Side(case, await Sessions.of(session_ids), our_viewers)
    return ours, Side(case, BareFrames(session_ids, bench.sizes.message), their_viewers)


def _turn(bench: Bench, side: Side, outcome: Outcome) -> Callable[[], Awaitable[float]]:
    """How a round is measured."""
    case = side.case
    many = min(max(_DELIVERIES // case.sockets, _SWITCHES.start), _SWITCHES.stop)
    switches = bench.size(many, 3)

    async def turn() -> float:
        took_ns = sum([await _delivered(side, outcome) for _ in range(switches)])
        return case.sockets * switches / took_ns * 1e9

    return turn


async def _delivered(side: Side, outcome: Outcome) -> int:
    """Publish, and wait for the last socket; gives the time between in ns."""
    case = side.case
    due = await side.source.next()
    answer = await side.viewers.reached(due.version, case.sessions)
    began_ns = await due.publish()
    told = await answer
    if told["lost"] or told["groups"] < case.sessions:
        outcome.faults.append(f"{case}: version {due.version} did not reach every socket: {told}")
    return max(told["at_ns"] - began_ns, 1)


def _many(number: int, noun: str, ending: str = "s") -> str:
    return f"{number:,} {noun}{ending * (number > 1)}"


def _quotient(one: Sequence[float], other: Sequence[float]) -> Spread:
    """Of rounds that followed each other."""
    return Spread.of([first / second for first, second in zip(one, other, strict=True)])


def _curve(growing: Sequence[tuple[int, Row]]) -> Curve:
    """Time until the last of the sockets has a frame."""
    lines = {
        "product": [(float(n), n / one.product.median * 1000) for n, one in growing],
        "floor": [(float(n), n / one.floor.median * 1000) for n, one in growing if one.floor is not None],
    }
    return Curve("A frame to all sockets of one session", "sockets", "ms until the last has it", lines)
