"""This checkout beside another one, say of the commit before: `make bench ARGS='--against ../other'`.

Each runs a stack from its own files, with the virtual environment that it has (else ours), and is only asked over its
doors. The two take turns, round by round, so that both meet the same minutes of the machine. Throughput tells what a
caller gets; the processor time of the web process for each answer tells the same with less noise.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import making
from callers import ask_for
from catalogue import Measurement
from crowd import Crowd
from measurements.socket_switch import switches_from
from peers import Peer
from report import printed
from results import Outcome, Spread, at_least, percentile, row
from stack import LIMITS_ON, ROOT, Stack, running_stack
from talkers import Talker
from watching import watching

T = TypeVar("T")

GOAL = 0.97
"""Less than this share of the other's is more than noise, with so many rounds."""
CONNECTIONS = (1, 16, 64)
SESSIONS = 512
VIEWERS = (1, 100)
_DELIVERIES = 20


class Extent(NamedTuple):
    """How much is measured."""

    rounds: int
    seconds: float
    sockets: int


_FULL, _SHORT = Extent(15, 1.5, 4_000), Extent(1, 0.2, 40)


class Turn(NamedTuple):
    """What came of one round of one side."""

    per_s: float
    p50_ms: float
    cpu_us: float
    """Processor time of the web process for each answer."""


async def compare(ours: Peer, theirs: Peer, extent: Extent) -> Outcome:
    """Both, in turns: switches over REST and over sockets, and a frame to many sockets of one session."""
    outcome = Outcome(notes=["In the place of the floor stands the other checkout."])
    for connections in CONNECTIONS:
        turns = [_rest(peer, connections, extent.seconds, outcome) for peer in (ours, theirs)]
        name = f"REST, {connections} connection{'s' * (connections > 1)}"
        _report(outcome, name, "switches", await _in_turns((ours, theirs), turns, extent.rounds))
    for viewers in VIEWERS:
        turns = [await _socket(peer, viewers, extent.seconds) for peer in (ours, theirs)]
        name = f"socket, to the last of {viewers} viewer{'s' * (viewers > 1)}"
        _report(outcome, name, "switches", await _in_turns((ours, theirs), turns, extent.rounds))
    async with AsyncExitStack() as sockets:
        turns = [await _fan_out(peer, extent.sockets, sockets, outcome) for peer in (ours, theirs)]
        name = f"fan-out, {extent.sockets:,} sockets"
        _report(outcome, name, "deliveries", await _in_turns((ours, theirs), turns, 2 * extent.rounds))
    return outcome


async def _in_turns(
    peers: Sequence[Peer], turns: Sequence[Callable[[], Awaitable[T]]], rounds: int
) -> tuple[list[T], list[T]]:
    """The first round warms up and does not count; every other round goes the other way."""
    found: tuple[list[T], list[T]] = ([], [])
    for number in range(rounds + 1):
        for side in (0, 1) if number % 2 else (1, 0):
            for peer in peers:
                await peer.drained()
            result = await turns[side]()
            if number:
                found[side].append(result)
    return found


def _measured(peer: Peer, began_cpu_s: float, latencies_ms: list[float], took_s: float, each: int = 1) -> Turn:
    """`each`: how many answers one latency stands for."""
    answers = len(latencies_ms) * each
    cpu_s = peer.stack.cpu_seconds_of("web") - began_cpu_s
    return Turn(answers / took_s, percentile(latencies_ms, 0.5), cpu_s / answers * 1e6)


def _rest(peer: Peer, connections: int, seconds: float, outcome: Outcome) -> Callable[[], Awaitable[Turn]]:
    session_ids = peer.sessions(SESSIONS)

    async def turn() -> Turn:
        began_s = peer.stack.cpu_seconds_of("web")
        asked: list[Iterator[bytes]] = [
            making.switches(session_ids[place::connections], peer.token) for place in range(connections)
        ]
        told = await ask_for(peer.host, peer.port, asked, seconds)
        outcome.faults += [f"{peer.name}: {text.decode('latin-1')}" for text in told.refused[:3]]
        return _measured(peer, began_s, told.latencies_ms, told.took_s)

    return turn


async def _socket(peer: Peer, viewers: int, seconds: float) -> Callable[[], Awaitable[Turn]]:
    (session_id,) = peer.sessions(1)
    crowd = Crowd(f"http://{peer.host}:{peer.port}", Talker)
    await crowd.open([(str(session_id), peer.token)] * (viewers + 1))
    members = cast("list[Talker]", crowd.members)
    version = 2  # created, started

    async def turn() -> Turn:
        nonlocal version
        began_s, loop = peer.stack.cpu_seconds_of("web"), asyncio.get_running_loop()
        began_at_s = loop.time()
        times = await switches_from(version, members, seconds)
        version += len(times.shown)
        return _measured(peer, began_s, times.shown, loop.time() - began_at_s)

    return turn


async def _fan_out(peer: Peer, sockets: int, opened: AsyncExitStack, outcome: Outcome) -> Callable[[], Awaitable[Turn]]:
    (session_id,) = peer.sessions(1)
    viewers = await opened.enter_async_context(
        watching(peer.host, peer.port, [(str(session_id), peer.token)] * sockets)
    )
    version = 2

    async def turn() -> Turn:
        nonlocal version
        cpu_s, latencies_ms = peer.stack.cpu_seconds_of("web"), []
        for _ in range(_DELIVERIES):
            version += 1
            answer = await viewers.reached(version)
            began_ns = time.monotonic_ns()
            await asyncio.to_thread(peer.switch, session_id)
            told = await answer
            latencies_ms.append((told["at_ns"] - began_ns) / 1e6)
            if told["lost"] or not told["groups"]:
                outcome.faults.append(f"{peer.name}: version {version} did not reach every socket: {told}")
        return _measured(peer, cpu_s, latencies_ms, sum(latencies_ms) / 1000, sockets)

    return turn


def _report(outcome: Outcome, name: str, unit: str, rounds: tuple[list[Turn], list[Turn]]) -> None:
    """Rows of both sides; and for each figure how good ours is: 1 is the same, less is worse."""
    ours, theirs = rounds
    outcome.rows += [
        row(name, f"{unit}/s", [one.per_s for one in ours], [one.per_s for one in theirs]),
        row(f"{name}, p50", "ms", [one.p50_ms for one in ours], [one.p50_ms for one in theirs]),
        row(f"{name}, processor time", "µs each", [one.cpu_us for one in ours], [one.cpu_us for one in theirs]),
    ]
    pairs = list(zip(ours, theirs, strict=True))
    outcome.verdicts += [
        at_least(f"{name}: {unit}/s ÷ the other's", GOAL, Spread.of([one.per_s / other.per_s for one, other in pairs])),
        at_least(
            f"{name}: the other's processor time ÷ ours",
            GOAL,
            Spread.of([other.cpu_us / one.cpu_us for one, other in pairs]),
        ),
    ]


def _python_of(root: Path) -> str:
    own = root / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def main(stack: Stack, other: Path, *, is_short: bool) -> int:
    """Compare a stack of ours with another checkout, and print. Gives 1 when anything was wrong, never for slowness."""
    root = other.resolve()
    python = _python_of(root)
    with running_stack(root, python, **LIMITS_ON) as their_stack:
        peers = Peer.of("ours", stack, sys.executable, ROOT), Peer.of("theirs", their_stack, python, root)
        outcome = asyncio.run(compare(*peers, _SHORT if is_short else _FULL))
    print(printed(Measurement("against", f"This checkout beside {root}", ""), outcome, 0))
    return int(bool(outcome.faults))
