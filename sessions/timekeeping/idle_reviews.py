"""Periodic reviews of idle sessions: those without a sign of life for long are ended as abandoned (docs/clock.md)."""

from __future__ import annotations

import time

from sessions.services import abandonment
from sessions.store import idle
from sessions.timekeeping.overdue import overdue_sessions
from synckairos.redis import keys
from synckairos.redis.scripts import send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

EVERY_S = 5.0
"""Interval of reviews, and so the delay with which a session is abandoned at most."""
BATCH = 32
"""Largest number of sessions of a shard in one review."""


class IdleReviews:
    """The times of the next review of each shard."""

    def __init__(self) -> None:
        self._next_s: dict[int, float] = {}
        """Instant of the next review by shard, on the monotonic clock."""

    async def review_if_due(self, shard: int) -> None:
        """Review a shard's idle sessions, if it is time. Raises ServiceUnavailable."""
        now_s = time.monotonic()
        if now_s < self._next_s.get(shard, 0.0):
            return
        self._next_s[shard] = now_s + EVERY_S
        due = await send(idle.due(shard, BATCH))
        checks = await overdue_sessions(shard, keys.idle(shard), due, "idle session that is none")
        for ended in await abandonment.review(checks, due.now) if checks else ():
            log.info("session abandoned", session_id=str(ended))
        if len(due.overdue) == BATCH:
            del self._next_s[shard]  # more sessions are due
