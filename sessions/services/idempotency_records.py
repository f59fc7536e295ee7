"""What answers to repeats may take up in the store, for each person: bytes in a day.

Each process adds up what it has had kept, and tells the store when that has become something: then it hears whether
there is too much, of all processes together. So a small answer costs no question, and the bound is exceeded by no more
than TOLD_BYTES and an answer for each process.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from msgspec import Struct

from sessions.services.outcome import Caller
from sessions.store.lua import FOLDER
from sessions.store.writes import Record
from synckairos.conf import conf
from synckairos.engine.state import State
from synckairos.engine.units import Duration
from synckairos.errors import RateLimitExceeded
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.redis.scripts import Call, Script
from synckairos.telemetry import metrics

TOLD_BYTES = 65_536
"""What one person may have had kept by a process before the store is told."""
OVERHEAD_BYTES = 200
"""What an answer takes up besides itself: its key, and what the store needs for both."""
_MOST_PEOPLE = 10_000
_HOUR_MS = 3_600_000

_CHARGE = Script(FOLDER / "charge.lua", allow_oom=True)  # a few numbers for each person, gone in a day


class Payer(Struct, frozen=True):
    """Whose bytes an answer takes up."""

    name: str
    most: int


class Ledger:
    """What this process knows of people's bytes."""

    def __init__(self) -> None:
        self._untold: OrderedDict[str, float] = OrderedDict()
        self._over_until_s: OrderedDict[str, float] = OrderedDict()
        """On the monotonic clock."""

    def over_s(self, name: str) -> float:
        """For how long somebody has too much; 0 when nothing is known of that."""
        until_s = self._over_until_s.get(name)
        if until_s is None:
            return 0.0
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            del self._over_until_s[name]
        return max(0.0, left_s)

    def add(self, name: str, amount: float) -> int:
        """More is kept; gives the bytes that it is time to tell, or 0."""
        untold = self._untold.pop(name, 0.0) + amount
        if untold >= TOLD_BYTES:
            return int(untold)
        self._untold[name] = untold
        if len(self._untold) > _MOST_PEOPLE:
            self._untold.popitem(last=False)
        return 0

    def note(self, name: str, over_s: int) -> None:
        """What the store has said."""
        self._over_until_s.pop(name, None)
        if over_s:
            self._over_until_s[name] = time.monotonic() + over_s
            if len(self._over_until_s) > _MOST_PEOPLE:
                self._over_until_s.popitem(last=False)


ledger = Ledger()
"""This process's."""


def payer_of(caller: Caller, state: State) -> Payer | None:
    """Whose bytes they are: the caller's. All who come with session tokens of a session share one budget, since these
    are given out without end. None when nothing will be kept, or there is no bound.

    Raises RateLimitExceeded for whoever has too many.
    """
    if caller.idempotency is None:
        return None
    principal = caller.principal
    most = conf().record_bytes_per_service if principal.is_service else conf().record_bytes_per_person
    if most is None:
        return None
    name = principal.subject if principal.grant is None else f"session {state.session_id}"
    over_s = ledger.over_s(name)
    if over_s:
        metrics.RATE_LIMITED.labels("records").inc()
        raise RateLimitExceeded(
            int(over_s) + 1,
            "Too many bytes are kept to answer your repeats: wait, or send it without Idempotency-Key or id",
        )
    return Payer(name, most)


def charged(record: Record | None, payer: Payer | None) -> Procedure[None]:
    """An answer is kept, if it is."""
    if record is not None:
        yield from charged_bytes(record.size, record.kept_ms, payer)


def charged_bytes(size: int, kept_ms: Duration, payer: Payer | None) -> Procedure[None]:
    """So much is kept for so long. What is kept for less than a day counts for as much less."""
    if payer is None:
        return
    day_ms = conf().idempotency_ttl_ms
    told = ledger.add(payer.name, (size + OVERHEAD_BYTES) * min(1.0, kept_ms / day_ms))
    if told:
        hours = -(-day_ms // _HOUR_MS)
        ledger.note(payer.name, (yield from perform(_charge(payer, told, hours))))


def _charge(payer: Payer, amount: int, hours: int) -> Call[int]:
    return Call(_CHARGE, [keys.record_bytes(payer.name)], [amount, payer.most, hours], int)
