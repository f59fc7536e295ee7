"""Driving a scenario: commands by the reference client, most viewers as bare sockets. Needs an attached stack."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import making
from scenario import Scenario
from servers import Group
from stack import ROOT
from watching import Watchers, watching

from sessions.services import sessions as service
from synckairos.auth.principal import SYSTEM
from synckairos.engine.reading import read
from synckairos.engine.state import SyncMode
from synckairos.redis.procedures import run_async

sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
from synckairos_client import CommandTimeout, Screen, SyncKairosError

_SAMPLE = 12
"""Reference clients whose clocks are looked at."""
_LOOK_EVERY_S = 0.5
_WRONG_BY_MS = 300_000
"""How wrong the clocks of devices may be."""
_LAST_FRAMES_S = 0.5


@dataclass
class Load:
    """What a scenario came to; times in ms."""

    acknowledged: list[float] = field(default_factory=list)
    """From a command to its ACK."""
    shown: list[float] = field(default_factory=list)
    """From a command to the frame at the last viewer of its session."""
    clock_errors: list[float] = field(default_factory=list)
    """Time left at a client minus time left by the store, without its sign."""
    errors: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    """Versions that some viewer was never shown, over all viewers. A newer one followed."""
    stale: int = 0
    """Sessions whose last version some viewer does not have."""
    lost: int = 0
    """Connections that ended."""
    opened_s: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether nothing was wrong, however slow it was."""
        return not (self.errors or self.stale or self.lost)


async def drive(scenario: Scenario, group: Group, seconds: float, tell: Callable[[float, Load], None]) -> Load:
    """Run it for so long against the processes of a group; `tell` hears how far it is, in seconds."""
    load = Load()
    mode = SyncMode(scenario.mode)
    session_ids = [
        str(one) for one in await making.running_sessions(scenario.sessions, scenario.participants, mode=mode)
    ]
    addresses = [(session_id, *making.tokens(1)) for session_id in session_ids for _ in range(scenario.viewers)]
    async with AsyncExitStack() as stack:
        watchers = await stack.enter_async_context(watching(group.host, group.port, addresses))
        load.opened_s = watchers.opened_s
        screens = [await stack.enter_async_context(_screen(group, session_id)) for session_id in session_ids]
        sent: dict[tuple[str, int], int] = {}
        clocks = asyncio.create_task(_watch_clocks(random.sample(screens, min(_SAMPLE, len(screens))), load))
        teller = asyncio.create_task(_keep_telling(tell, load))
        try:
            await asyncio.gather(*(_command(scenario, screen, seconds, load, sent) for screen in screens))
            await asyncio.sleep(_LAST_FRAMES_S)
        finally:
            clocks.cancel()
            teller.cancel()
        await asyncio.gather(clocks, return_exceptions=True)
        await _judge(watchers, scenario, sent, load)
    return load


def _screen(group: Group, session_id: str) -> Screen:
    """A reference client on a device whose clock is wrong."""
    wrong_ms = random.uniform(-_WRONG_BY_MS, _WRONG_BY_MS)
    address = f"http://{group.host}:{group.port}"
    return Screen(address, session_id, making.tokens(1)[0], device_ms=lambda: time.time() * 1000 + wrong_ms)


async def _command(
    scenario: Scenario, screen: Screen, seconds: float, load: Load, sent: dict[tuple[str, int], int]
) -> None:
    """Switch one session at its moments."""
    began_s = time.monotonic()
    phase_s = random.uniform(0, min(1.0, scenario.period_s))
    for moment_s in scenario.moments(seconds - phase_s):
        await asyncio.sleep(max(0.0, began_s + phase_s + moment_s - time.monotonic()))
        sent_ns = time.monotonic_ns()
        try:
            answer = await screen.switch()
        except (SyncKairosError, CommandTimeout) as error:
            load.errors[getattr(error, "code", type(error).__name__)] += 1
            continue
        load.acknowledged.append((time.monotonic_ns() - sent_ns) / 1e6)
        sent[screen.session_id, answer["version"]] = sent_ns
    await asyncio.sleep(max(0.0, began_s + seconds - time.monotonic()))


async def _watch_clocks(screens: list[Screen], load: Load) -> None:
    """Compare what clients show with what the store says, now and then."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        for screen in screens:
            outcome = await run_async(service.get(making.UUID(screen.session_id), SYSTEM))
            now_ms, shown_ms = time.time() * 1000, screen.remaining_ms()
            true_ms = read(outcome.state, outcome.at_ms).time_remaining_ms
            if screen.version == outcome.state.version and true_ms is not None and shown_ms is not None:
                load.clock_errors.append(abs(shown_ms - (true_ms - (now_ms - outcome.at_ms))))


async def _keep_telling(tell: Callable[[float, Load], None], load: Load) -> None:
    began_s = time.monotonic()
    while True:
        tell(time.monotonic() - began_s, load)
        await asyncio.sleep(0.2)


async def _judge(watchers: Watchers, scenario: Scenario, sent: dict[tuple[str, int], int], load: Load) -> None:
    """What the viewers have seen, against what was done."""
    report: dict[str, Any] = await watchers.report()
    load.lost = report["lost"]
    last: dict[str, int] = {}
    for session_id, version in sent:
        last[session_id] = max(last.get(session_id, 0), version)
    for (session_id, version), sent_ns in sent.items():
        sockets, at_ns = report["seen"][session_id].get(str(version), [0, 0])
        if sockets >= scenario.viewers:
            load.shown.append((at_ns - sent_ns) / 1e6)
        else:
            load.missed += scenario.viewers - sockets
            load.stale += last[session_id] == version
