"""The order of overdue deadlines when there are more than can be applied at once: every owner has an equal share.

With the longest overdue first, an owner with a thousand expiries each second would delay those of all other owners. The
cost of a session is its weight, and an owner's sessions wait while those of other owners have cost less of late. A
timekeeper knows owner and weight of a session since it last applied a deadline there.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from uuid import UUID

from synckairos.engine.state import State
from synckairos.engine.units import Instant

BATCH = 32
"""Largest number of sessions of a shard in one batch."""
BATCH_WEIGHT = 2_000
"""Largest weight of a batch of more than one session: some 10 ms, for which other deadlines wait."""
WINDOW = 2_000
"""Largest number of overdue sessions of a shard that batches are chosen from."""
FRESH_S = 0.025
"""Time for which batches are chosen from one read; a deadline that comes meanwhile waits so long."""
UNKNOWN_WEIGHT = 62
_COMMIT_WEIGHT = 60
"""Cost of a commit in units of what one participant adds to it (measured with 2 and with 1 000 of them)."""
_MAX_KNOWN_SESSIONS = 50_000
_HALF_LIFE_S = 1.0
_DECAYS_EVERY_S = 0.25
_MIN_COST = 1.0
"""Cost below which an owner is forgotten."""


def weight_of(state: State) -> int:
    """Return the cost of applying a deadline of a session."""
    return _COMMIT_WEIGHT + len(state.participants)


class FairShares:
    """The recent cost of each owner's sessions at this timekeeper."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[str, int]] = OrderedDict()
        """Owner and weight by session, the latest last."""
        self._spent: dict[str, float] = {}
        self._decayed_s = time.monotonic()

    def spent(self, owner: str) -> float:
        """Return the recent cost of an owner's sessions, in weights."""
        return self._spent.get(owner, 0.0)

    def owner_and_weight(self, session_id: UUID) -> tuple[str, int]:
        """Return a session's owner and weight; an unknown session counts as an owner of its own."""
        return self._known.get(session_id) or (f"?{session_id}", UNKNOWN_WEIGHT)

    def charge(self, state: State) -> None:
        """Charge the owner for an applied deadline of this session."""
        owner, weight = state.access.owner, weight_of(state)
        self._known.pop(state.session_id, None)
        if not state.status.is_final:
            self._known[state.session_id] = owner, weight
            if len(self._known) > _MAX_KNOWN_SESSIONS:
                self._known.popitem(last=False)
        self._spent[owner] = self._spent.get(owner, 0.0) + weight

    def decay(self) -> None:
        """Reduce the costs by half for each half-life since the last call."""
        now_s = time.monotonic()
        if now_s - self._decayed_s < _DECAYS_EVERY_S:
            return
        rest = 0.5 ** ((now_s - self._decayed_s) / _HALF_LIFE_S)
        self._decayed_s = now_s
        spent = {owner: amount * rest for owner, amount in self._spent.items()}
        self._spent = {owner: amount for owner, amount in spent.items() if amount > _MIN_COST}


class OverdueWindow:
    """The overdue sessions of a shard at one moment, from which batches are taken."""

    def __init__(self, overdue: Mapping[UUID, Instant], shares: FairShares) -> None:
        self.deadlines = overdue
        """Deadlines by session, the longest overdue first."""
        self._shares = shares
        self._ends_s = time.monotonic() + FRESH_S
        self._waiting: dict[str, deque[tuple[UUID, int]]] = {}
        for session_id in overdue:
            owner, weight = shares.owner_and_weight(session_id)
            self._waiting.setdefault(owner, deque()).append((session_id, weight))

    def __bool__(self) -> bool:
        """Return true while sessions are left and the read is recent."""
        return bool(self._waiting) and time.monotonic() < self._ends_s

    def batch(self) -> list[UUID]:
        """Return the next batch: each session is of the owner with the least cost, the batch so far included."""
        queue = [(self._shares.spent(owner), place, owner) for place, owner in enumerate(self._waiting)]
        heapify(queue)
        chosen: list[UUID] = []
        total = 0
        while queue and len(chosen) < BATCH:
            spent, place, owner = heappop(queue)
            waiting = self._waiting[owner]
            session_id, weight = waiting[0]
            total += weight
            if chosen and total > BATCH_WEIGHT:
                break
            chosen.append(session_id)
            waiting.popleft()
            if waiting:
                heappush(queue, (spent + weight, place, owner))
            else:
                del self._waiting[owner]
        return chosen
