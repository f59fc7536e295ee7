"""Whose deadlines come first when more have come than can be applied at once: every owner has an equal share.

The longest overdue would come first otherwise, and whoever lets a thousand sessions run out each second would make all
others late. A session costs what its weight says, and an owner's sessions wait while others' have cost less of late.
Who owns a session, and what it weighs, a timekeeper knows from the last time that it applied something there.
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
"""Most sessions of a shard that are taken up together."""
BATCH_WEIGHT = 2_000
"""The most that they weigh together, unless it is one alone: the others' deadlines wait for so long, some 10 ms."""
WINDOW = 2_000
"""Most sessions of a shard that are chosen from."""
FRESH_S = 0.025
"""For how long they are: whoever's deadline comes meanwhile waits for that."""
UNKNOWN_WEIGHT = 62
_COMMIT_WEIGHT = 60
"""What the commit of a session costs, in what a participant adds to it (benchmarks on 2 and on 1 000 of them)."""
_KNOWN_SESSIONS = 50_000
_HALF_LIFE_S = 1.0
_DECAYS_EVERY_S = 0.25
_NOTHING = 1.0
"""What has cost less than this is forgotten."""


def weight_of(state: State) -> int:
    """What applying a deadline of a session costs."""
    return _COMMIT_WEIGHT + len(state.participants)


class Shares:
    """What each owner's sessions have cost this timekeeper of late."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, tuple[str, int]] = OrderedDict()
        """Owners and weights, the latest last."""
        self._spent: dict[str, float] = {}
        self._decayed_s = time.monotonic()

    def spent(self, owner: str) -> float:
        """Of an owner, in weights."""
        return self._spent.get(owner, 0.0)

    def known(self, session_id: UUID) -> tuple[str, int]:
        """A session's owner and weight. One that is not known counts as an owner of its own."""
        return self._known.get(session_id) or (f"?{session_id}", UNKNOWN_WEIGHT)

    def charge(self, state: State) -> None:
        """A deadline of this session was applied."""
        owner, weight = state.access.owner, weight_of(state)
        self._known.pop(state.session_id, None)
        if not state.status.is_final:
            self._known[state.session_id] = owner, weight
            if len(self._known) > _KNOWN_SESSIONS:
                self._known.popitem(last=False)
        self._spent[owner] = self._spent.get(owner, 0.0) + weight

    def decay(self) -> None:
        """What was long ago counts for little."""
        now_s = time.monotonic()
        if now_s - self._decayed_s < _DECAYS_EVERY_S:
            return
        rest = 0.5 ** ((now_s - self._decayed_s) / _HALF_LIFE_S)
        self._decayed_s = now_s
        spent = {owner: amount * rest for owner, amount in self._spent.items()}
        self._spent = {owner: amount for owner, amount in spent.items() if amount > _NOTHING}


class Window:
    """The overdue sessions of a shard at one moment, given out in batches."""

    def __init__(self, overdue: Mapping[UUID, Instant], shares: Shares) -> None:
        self.deadlines = overdue
        """By session, the longest overdue first."""
        self._shares = shares
        self._ends_s = time.monotonic() + FRESH_S
        self._waiting: dict[str, deque[tuple[UUID, int]]] = {}
        for session_id in overdue:
            owner, weight = shares.known(session_id)
            self._waiting.setdefault(owner, deque()).append((session_id, weight))

    def __bool__(self) -> bool:
        """Whether anything is left of it that may be given out."""
        return bool(self._waiting) and time.monotonic() < self._ends_s

    def batch(self) -> list[UUID]:
        """The next ones: of the owner whose sessions have cost least, those of this batch included, and so on."""
        turns = [(self._shares.spent(owner), place, owner) for place, owner in enumerate(self._waiting)]
        heapify(turns)
        chosen: list[UUID] = []
        total = 0
        while turns and len(chosen) < BATCH:
            spent, place, owner = heappop(turns)
            waiting = self._waiting[owner]
            session_id, weight = waiting[0]
            total += weight
            if chosen and total > BATCH_WEIGHT:
                break
            chosen.append(session_id)
            waiting.popleft()
            if waiting:
                heappush(turns, (spent + weight, place, owner))
            else:
                del self._waiting[owner]
        return chosen
