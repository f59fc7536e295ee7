"""Commands for one session that come to one process at once, one after the other.

The commit script lets one of them win and sends the others back, so a hundred at once would be decided five thousand
times. In turn each is decided once. Only work is saved here, nothing depends on it: other processes and doors race with
us all the same, and who has waited too long goes ahead.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar
from uuid import UUID

from sessions.limits import Tally
from sessions.services import at_once
from sessions.services.memory import memory
from sessions.services.outcome import Caller, Outcome
from sessions.store.calls import Steps, arun
from synckairos.engine.commands import Command
from timesync.clock import store_clock

T = TypeVar("T")

LONGEST_WAIT_S = 1.0


class _Turn:
    """Who is at it, and how many know of it."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0

    async def take(self) -> bool:
        """Wait for it; False when that takes too long."""
        if not self.lock.locked():
            return await self.lock.acquire()
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                return await self.lock.acquire()
        except TimeoutError:
            return False


_turns: dict[UUID, _Turn] = {}


async def carry_out(session_id: UUID, command: Command, caller: Caller, tally: Tally) -> Outcome:
    """Apply a command in its turn, each on what the last one has left. Raises what `at_once.execute` does."""
    store_clock.freshen()
    return await in_turn(session_id, at_once.execute(session_id, command, caller, tally, memory()))


async def in_turn(session_id: UUID, steps: Steps[T]) -> T:
    """Drive a procedure that commands this session, after those that came before. Raises what `arun` raises."""
    turn = _turns.setdefault(session_id, _Turn())
    turn.users += 1
    has_it = False
    try:
        has_it = await turn.take()
        return await arun(steps)
    finally:
        if has_it:
            turn.lock.release()
        turn.users -= 1
        if not turn.users:
            _turns.pop(session_id, None)
