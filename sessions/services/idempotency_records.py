"""The quota of idempotency records: the bytes of answers that the store keeps for each person in a day.

Each process adds up the bytes that it has had kept, and reports them to the store when they are many enough: the reply
says whether there are too many, over all processes. So a small answer costs no round trip, and the quota is exceeded by
at most REPORT_BYTES and one answer for each process.
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

REPORT_BYTES = 65_536
"""The bytes of one person that a process adds up before it reports them."""
OVERHEAD_BYTES = 200
"""The bytes of a record besides the answer: its key, and the overhead of the store for both."""
_MAX_OWNERS = 10_000
_HOUR_MS = 3_600_000

_CHARGE = Script(FOLDER / "charge.lua", allow_oom=True)  # a few numbers for each person, gone in a day


class RecordOwner(Struct, frozen=True):
    """The quota that a record counts for: its name in the store, and its bytes."""

    name: str
    max_bytes: int


class RecordUsage:
    """The usage of records as far as this process knows it, by owner."""

    def __init__(self) -> None:
        self._unreported: OrderedDict[str, float] = OrderedDict()
        self._over_until_s: OrderedDict[str, float] = OrderedDict()
        """The ends of excess, on the monotonic clock."""

    def seconds_over(self, name: str) -> float:
        """Return for how many seconds an owner is over the quota; 0 when no excess is known."""
        until_s = self._over_until_s.get(name)
        if until_s is None:
            return 0.0
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            del self._over_until_s[name]
        return max(0.0, left_s)

    def add(self, name: str, amount: float) -> int:
        """Add the bytes of a record; return the bytes to report now, or 0."""
        unreported = self._unreported.pop(name, 0.0) + amount
        if unreported >= REPORT_BYTES:
            return int(unreported)
        self._unreported[name] = unreported
        if len(self._unreported) > _MAX_OWNERS:
            self._unreported.popitem(last=False)
        return 0

    def set_over(self, name: str, over_s: int) -> None:
        """Set for how many seconds an owner is over the quota, as the store has replied."""
        self._over_until_s.pop(name, None)
        if over_s:
            self._over_until_s[name] = time.monotonic() + over_s
            if len(self._over_until_s) > _MAX_OWNERS:
                self._over_until_s.popitem(last=False)


usage = RecordUsage()
"""The usage of this process."""


def record_owner_of(caller: Caller, state: State) -> RecordOwner | None:
    """Return the quota that the record of a command counts for; None when no answer is kept, or without a quota.

    It is the caller's. All session tokens of a session share one, since tokens are issued without end. Raises
    RateLimitExceeded for an owner over the quota.
    """
    if caller.idempotency is None:
        return None
    principal = caller.principal
    most = conf().record_bytes_per_service if principal.is_service else conf().record_bytes_per_person
    if most is None:
        return None
    name = principal.subject if principal.grant is None else f"session {state.session_id}"
    over_s = usage.seconds_over(name)
    if over_s:
        metrics.RATE_LIMITED.labels("records").inc()
        raise RateLimitExceeded(
            int(over_s) + 1,
            "Too many bytes are kept to answer your repeats: wait, or send it without Idempotency-Key or id",
        )
    return RecordOwner(name, most)


def charge_record(record: Record | None, owner: RecordOwner | None) -> Procedure[None]:
    """Count a record that was kept; None is no record."""
    if record is not None:
        yield from charge_bytes(record.size, record.kept_ms, owner)


def charge_bytes(size: int, kept_ms: Duration, owner: RecordOwner | None) -> Procedure[None]:
    """Count bytes that are kept for a time; bytes that are kept for less than a day count proportionally less."""
    if owner is None:
        return
    day_ms = conf().idempotency_ttl_ms
    unreported = usage.add(owner.name, (size + OVERHEAD_BYTES) * min(1.0, kept_ms / day_ms))
    if unreported:
        hours = -(-day_ms // _HOUR_MS)
        usage.set_over(owner.name, (yield from perform(_charge(owner, unreported, hours))))


def _charge(owner: RecordOwner, amount: int, hours: int) -> Call[int]:
    return Call(_CHARGE, [keys.record_bytes(owner.name)], [amount, owner.max_bytes, hours], int)
