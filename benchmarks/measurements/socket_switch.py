"""A switch over a socket: until its sender has the ACK, and until the last of its viewers has the frame."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from itertools import count
from typing import NamedTuple, cast
from uuid import UUID

import making
from bench import Bench
from callers import Round, ask_for
from crowd import Crowd
from results import Outcome, at_most, percentile, row
from talkers import Talker

VIEWERS = (1, 100)
_GOAL = 2.0
_ids = count(1)


class Times(NamedTuple):
    """Of each switch of one round, in ms."""

    acknowledged: list[float]
    shown: list[float]


async def measure(bench: Bench) -> Outcome:
    """Beside the floor's REST request on one connection: a socket switch is at least that."""
    outcome = Outcome()
    product, floor = bench.product(), bench.floor()
    (person,) = making.tokens(1)
    asked = {verb: [making.floor_requests(range(64), verb, person)] for verb in ("switch", "bare")}
    for viewers in VIEWERS:
        (session_id,) = await making.running_sessions(1)
        crowd = Crowd(f"http://{product.host}:{product.port}", Talker)
        await crowd.open([(str(session_id), person)] * (viewers + 1))
        members = cast("list[Talker]", crowd.members)

        async def ours(session_id: UUID = session_id, members: list[Talker] = members) -> Times:
            state = (await making.state_of(session_id)).state
            assert state is not None
            return await switches_from(state.version, members, bench.seconds)

        async def theirs(verb: str) -> Round:
            return await ask_for(floor.host, floor.port, asked[verb], bench.seconds)

        times, *rounds = await bench.in_turns(ours, partial(theirs, "switch"), partial(theirs, "bare"))
        _report(outcome, viewers, cast("list[Times]", times), *cast("list[list[Round]]", rounds))
        crowd.leave()
    return outcome


async def switches_from(version: int, members: list[Talker], seconds: float) -> Times:
    """One after the other, each when the last is everywhere, of a session that stands at a version: the first member
    commands, the others look."""
    times = Times([], [])
    began_s = time.perf_counter()
    for following in count(version + 1):
        shown = [viewer.hear(b'"version":%d,' % following) for viewer in members[1:]]
        acknowledged = members[0].hear(b'"ACK"')
        sent_s = time.perf_counter()
        members[0].say(b'{"type":"SWITCH","id":"%d"}' % next(_ids))
        heard_s = await asyncio.wait_for(asyncio.gather(acknowledged, *shown), 30)
        times.acknowledged.append((heard_s[0] - sent_s) * 1000)
        times.shown.append((max(heard_s[1:]) - sent_s) * 1000)
        if sent_s - began_s >= seconds:
            break
    return times


def _report(outcome: Outcome, viewers: int, times: list[Times], floor: list[Round], bare: list[Round]) -> None:
    name = f"{viewers} viewer{'s' * (viewers > 1)}"
    last = [percentile(one.shown, 0.5) for one in times]
    shown = row(f"to the last of {name}, p50", "ms", last, _medians(floor))
    outcome.rows += [
        row(f"to the ACK, {name}, p50", "ms", [percentile(one.acknowledged, 0.5) for one in times], _medians(floor)),
        shown,
        row(f"to the last of {name}, p50, beside the bare connection", "ms", last, _medians(bare)),
        row(f"to the last of {name}, p99", "ms", [percentile(one.shown, 0.99) for one in times]),
    ]
    if viewers == 1:
        assert shown.ratio is not None
        outcome.verdicts.append(
            at_most("socket switch to another client, p50 ÷ the floor's REST p50", _GOAL, shown.ratio)
        )


def _medians(rounds: list[Round]) -> list[float]:
    return [percentile(one.latencies_ms, 0.5) for one in rounds]
