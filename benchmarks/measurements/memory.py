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

from sessions.store import writes
from synckairos.redis import keys
from synckairos.redis.client import async_client
from synckairos.redis.scripts import send

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
    sessions = await Sessions.of(await making.running_sessions(bench.size(2_000, 100)))
    fresh = await _stored(sessions)
    for _ in range(_SWITCHES):
        await sessions.next()
    outcome.rows += [
        rest,
        socket,
        _plain("a two-player session in the store, new", fresh),
        _plain(f"the same after {_SWITCHES} switches", await _stored(sessions)),
        _plain("besides, for a day: each switch with an Idempotency-Key", await _record(sessions)),
    ]
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


async def _stored(sessions: Sessions) -> float:
    """Bytes of a session's keys, and of its place among the deadlines."""
    pipe = async_client().pipeline(transaction=False)
    for state in sessions.states:
        pipe.memory_usage(keys.state(state.session_id), samples=0)
        pipe.memory_usage(keys.recent(state.session_id), samples=0)
    own = sum(await pipe.execute()) / len(sessions.states)
    deadlines = keys.deadlines(0)
    place = await async_client().memory_usage(deadlines, samples=0) / await async_client().zcard(deadlines)
    return float(own + place)


async def _record(sessions: Sessions) -> float:
    """Bytes of the first answer that a repeat will get."""
    write = making.switch_of(sessions.states[0], making.store_clock.now_ms())
    await send(writes.commit(write))
    assert write.record is not None
    return float(await async_client().memory_usage(write.record.key, samples=0))


def _rss(group: Group) -> float:
    lines = Path(f"/proc/{group.pids[0]}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def _plain(name: str, size: float) -> Row:
    return row(name, "KiB", [size / 1024])
