"""Memory: of a web process at rest, of each socket that only waits, and of each session in the store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import making
from announcing import Sessions
from bench import Bench
from results import Outcome, Row, Spread, at_most, row
from servers import FLOOR, PRODUCT, Group, serving
from watching import watching

from synckairos.redis import async_client

_AT_REST_MB, _SOCKET_KIB, _SESSION_KIB = 100.0, 30.0, 2.0
_SOCKETS_OF_ONE_SESSION = 4
_SWITCHES = 15
"""More than the latest commits that are kept beside a session."""
_SETTLING_S, _SETTLING_SHORT_S = 2.0, 0.2


async def measure(bench: Bench) -> Outcome:
    """Processes that nobody has used yet."""
    outcome = Outcome()
    sockets = bench.size(4_000, 200)
    settings = bench.stack.child_environment()
    floor_settings = {**settings, "FLOOR_STORE": str(bench.stack.socket_path)}
    session_ids = [str(one) for one in await making.running_sessions(sockets // _SOCKETS_OF_ONE_SESSION)]
    settling_s = _SETTLING_SHORT_S if bench.is_short else _SETTLING_S
    with serving(PRODUCT, settings) as product, serving(FLOOR, floor_settings) as floor:
        await asyncio.sleep(settling_s)
        rest = row("a web process at rest", "MB", [_rss(product) / 1e6], [_rss(floor) / 1e6])
        each = [await _each_socket(group, session_ids, sockets, settling_s) for group in (product, floor)]
    socket = row(f"a waiting socket, of {sockets:,}", "KiB", *([one / 1024] for one in each))
    fresh, used = await _each_session(bench.size(2_000, 100))
    outcome.rows += [rest, socket, _plain("a two-player session in the store, new", fresh)]
    outcome.rows.append(_plain(f"the same after {_SWITCHES} switches", used))
    outcome.verdicts += [
        at_most("web process at rest", _AT_REST_MB, rest.product, "MB"),
        at_most("a waiting socket", _SOCKET_KIB, socket.product, "KiB"),
        at_most("a two-player session in the store", _SESSION_KIB, Spread.of([fresh / 1024]), "KiB"),
    ]
    return outcome


async def _each_socket(group: Group, session_ids: list[str], sockets: int, settling_s: float) -> float:
    (person,) = making.tokens(1)
    before = _rss(group)
    async with watching(group.host, group.port, [(session_ids[n % len(session_ids)], person) for n in range(sockets)]):
        await asyncio.sleep(settling_s)
        return (_rss(group) - before) / sockets


async def _each_session(number: int) -> tuple[float, float]:
    """Bytes of one that has just begun, and of one that has been switched for a while."""
    await making.drained()
    before = await _used()
    sessions = await Sessions.of(await making.running_sessions(number))
    await making.drained()
    fresh = (await _used() - before) / number
    for _ in range(_SWITCHES):
        await sessions.next()
    await making.drained()
    return fresh, (await _used() - before) / number


async def _used() -> int:
    """Bytes that the store has allocated."""
    await asyncio.sleep(0.2)
    return int((await async_client().info("memory"))["used_memory"])


def _rss(group: Group) -> float:
    lines = Path(f"/proc/{group.pids[0]}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def _plain(name: str, size: float) -> Row:
    return row(name, "KiB", [size / 1024])
