"""Sessions set aside by others are tried once by each timekeeper: one of a newer release may read them."""

from __future__ import annotations

import time
from uuid import UUID

from sessions.store import set_aside
from synckairos.ids import parse_uuid
from synckairos.redis.scripts import send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

EVERY_S = 30.0
"""How often each shard's are looked through."""
BATCH = 200


class SecondLook:
    """What this timekeeper has tried: it does not learn to read what it could not."""

    def __init__(self) -> None:
        self._tried: set[str] = set()
        self._next_s: dict[int, float] = {}
        """By the monotonic clock."""

    def was_tried(self, session_id: UUID) -> None:
        """This timekeeper has set it aside itself."""
        self._tried.add(str(session_id))

    async def tick(self, shard: int) -> None:
        """Give those of a shard their deadlines back that are new to this process, if it is time.

        Raises ServiceUnavailable.
        """
        now_s = time.monotonic()
        if now_s < self._next_s.get(shard, 0.0):
            return
        self._next_s[shard] = now_s + EVERY_S
        rank = 0
        while some := await send(set_aside.listed(shard, rank, BATCH)):
            news = [one.member for one in some if one.member not in self._tried]
            for member in news:
                self._tried.add(member)
                await send(set_aside.put_back(shard, member, parse_uuid(member)))
            if news:
                log.info("sessions set aside are tried again", shard=shard, sessions=len(news))
            rank += len(some) - len(news)
