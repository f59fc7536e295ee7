"""Retries of sessions that are set aside: each timekeeper tries each once, since a newer release may read them."""

from __future__ import annotations

import time
from uuid import UUID

from sessions.store import set_aside
from synckairos.ids import parse_uuid
from synckairos.redis.scripts import send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

EVERY_S = 30.0
"""Interval at which each shard's list is read."""
BATCH = 200


class SetAsideRetry:
    """The sessions that this timekeeper has tried, which it need not try again."""

    def __init__(self) -> None:
        self._tried: set[str] = set()
        self._next_s: dict[int, float] = {}
        """Instant of the next retry by shard, on the monotonic clock."""

    def mark_tried(self, session_id: UUID) -> None:
        """Record that this timekeeper has set the session aside itself."""
        self._tried.add(str(session_id))

    async def retry_if_due(self, shard: int) -> None:
        """Restore the deadlines of a shard's sessions that this process has not tried, if it is time.

        Raises ServiceUnavailable.
        """
        now_s = time.monotonic()
        if now_s < self._next_s.get(shard, 0.0):
            return
        self._next_s[shard] = now_s + EVERY_S
        rank = 0
        while some := await send(set_aside.read_range(shard, rank, BATCH)):
            news = [one.member for one in some if one.member not in self._tried]
            for member in news:
                self._tried.add(member)
                await send(set_aside.restore(shard, member, parse_uuid(member)))
            if news:
                log.info("sessions set aside are tried again", shard=shard, sessions=len(news))
            rank += len(some) - len(news)
