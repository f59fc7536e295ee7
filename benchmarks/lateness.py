"""Sessions whose clocks run out at known instants, and how late that is noticed. Needs an attached stack."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db.models import Sum
from stack import Stack
from websockets.asyncio.client import connect

from audit.models import SyncEvent, SyncParticipant, SyncSession
from sessions.services.commits import write_of
from sessions.services.outcome import Caller
from sessions.store import writes
from synckairos.auth.principal import SYSTEM, mint
from synckairos.engine import SyncMode, create_session
from synckairos.engine.commands import Create, Seat
from synckairos.ids import new_epoch
from synckairos.instants import as_datetime, from_datetime
from synckairos.redis.scripts import send_all

CHUNK = 250
VIEWERS = 300
MADE_PER_S = 600
"""What this machine surely makes; only the head start depends on it."""
_CALLER = Caller(SYSTEM, "")


@dataclass(frozen=True)
class Scenario:
    """How many sessions, and over how long their deadlines are spread."""

    name: str
    sessions: int
    spread_s: float


@dataclass(frozen=True)
class Result:
    """Lateness in ms, to the commit of every session and to the frame of the viewed ones."""

    scenario: Scenario
    commits: list[float]
    frames: list[float]
    wrong: int
    """Sessions that did not expire once, or whose used time is not their running time, or that the audit lacks."""


def now_ms() -> int:
    """The clock of this machine, which is the store's."""
    return time.time_ns() // 1_000_000


def _write(deadline_ms: int, now: int) -> writes.CommitRequest:
    """A session of two players that runs from now on, until the first one's clock runs out."""
    create = Create.of(
        SyncMode.PER_PARTICIPANT,
        (Seat(uuid4(), deadline_ms - now), Seat(uuid4(), 600_000)),
        start_at_ms=now,
        action_on_timeout={"type": "end_session"},
    )
    decision = create_session(create, session_id=uuid4(), epoch=new_epoch(), now=now)
    return write_of(decision, now, _CALLER, is_creation=True)


async def make_sessions(deadlines_ms: list[int]) -> list[UUID]:
    """Running sessions that expire at these instants."""
    made: list[UUID] = []
    for first in range(0, len(deadlines_ms), CHUNK):
        now = now_ms()
        made_now = [_write(deadline_ms, now) for deadline_ms in deadlines_ms[first : first + CHUNK]]
        await send_all([writes.commit(write) for write in made_now])
        made += [write.session_id for write in made_now]
    return made


async def _view(stack: Stack, session_id: UUID, token: str, frames: list[float]) -> None:
    """A connected client of one session: when does it hear of the expiry?"""
    address = f"ws{stack.url.removeprefix('http')}/ws?sessionId={session_id}&token={token}"
    async with connect(address, open_timeout=60, compression=None) as connection:
        async for text in connection:
            received_ms = time.time_ns() / 1_000_000
            frame = json.loads(text)
            if frame["type"] == "TIME_EXPIRED":
                frames.append(received_ms - from_datetime(datetime.fromisoformat(frame["expired_at"])))
                return


async def measure(stack: Stack, scenario: Scenario) -> Result:
    """One scenario, from making the sessions to the last row of the audit."""
    since_ms = now_ms()
    first_ms = since_ms + int((scenario.sessions / MADE_PER_S + min(VIEWERS, scenario.sessions) / 50 + 3) * 1000)
    step_ms = scenario.spread_s * 1000 / scenario.sessions
    deadlines_ms = [first_ms + int(number * step_ms) for number in range(scenario.sessions)]
    random.shuffle(deadlines_ms)
    made = await make_sessions(deadlines_ms)
    token = mint("viewer", is_staff=True)
    frames: list[float] = []
    sample = random.sample(made, min(VIEWERS, len(made)))
    views = [asyncio.create_task(_view(stack, session_id, token, frames)) for session_id in sample]
    await asyncio.sleep((first_ms - now_ms()) / 1000 + scenario.spread_s)
    await asyncio.wait_for(asyncio.gather(*views), 60)
    commits, wrong = await asyncio.to_thread(_audited, set(made), since_ms)
    return Result(scenario, commits, frames, wrong)


def _audited(made: set[UUID], since_ms: int) -> tuple[list[float], int]:
    """Wait for the audit; then how late each expiry was committed, and how many sessions are not exactly right."""
    sessions = SyncSession.objects.filter(created_at__gte=as_datetime(since_ms), created_by=SYSTEM.subject)
    ends_s = time.monotonic() + 120
    while sessions.filter(status="expired").count() < len(made) and time.monotonic() < ends_s:
        time.sleep(0.5)
    expired = SyncEvent.objects.filter(type="participant.expired", session__in=sessions)
    late: dict[UUID, list[float]] = {}
    for session_id, at, committed_at in expired.values_list("session__session_id", "at", "committed_at"):
        late.setdefault(session_id, []).append((committed_at - at).total_seconds() * 1000)
    seats = SyncParticipant.objects.filter(session__in=sessions).values("session").annotate(used=Sum("time_used_ms"))
    used = {seat["session"]: seat["used"] for seat in seats}
    wrong = len(made ^ set(late)) + sum(len(times) != 1 for times in late.values())
    wrong += sum(used.get(pk) != running_ms for pk, running_ms in sessions.values_list("pk", "running_ms"))
    return [times[0] for times in late.values()], wrong


async def idle_percent(stack: Stack, sessions: int, for_s: float) -> float:
    """The share of one core that the timekeeper uses while many clocks run and none ends."""
    await make_sessions([now_ms() + 3_600_000 + number for number in range(sessions)])
    await asyncio.sleep(2)
    before_s = stack.cpu_seconds_of("timekeeper")
    await asyncio.sleep(for_s)
    return (stack.cpu_seconds_of("timekeeper") - before_s) / for_s * 100
