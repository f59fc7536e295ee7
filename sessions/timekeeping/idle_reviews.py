"""Looking, now and then, for sessions in which nothing has happened for so long that they are let go: docs/clock.md."""

from __future__ import annotations

import time
from uuid import UUID

from sessions.services import abandonment
from sessions.store import idle, store
from synckairos.engine.units import Instant
from synckairos.ids import parse_uuid
from synckairos.redis import keys
from synckairos.redis.scripts import send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

EVERY_S = 5.0
"""How late the end of an idle session may be told of: nobody waits for it."""
BATCH = 32
"""Most sessions of a shard that are looked at together."""


class Reviews:
    """When each shard was looked through."""

    def __init__(self) -> None:
        self._next_s: dict[int, float] = {}
        """By the monotonic clock."""

    async def tick(self, shard: int) -> None:
        """Look through a shard's idle sessions, if it is time. Raises ServiceUnavailable."""
        now_s = time.monotonic()
        if now_s < self._next_s.get(shard, 0.0):
            return
        self._next_s[shard] = now_s + EVERY_S
        due = await send(idle.due(shard, BATCH))
        checks: dict[UUID, Instant] = {}
        for member, at_ms in due.overdue:
            session_id = parse_uuid(member)
            if session_id is None:
                log.error("idle session that is none", member=member)
                await send(store.forget_junk(shard, keys.idle(shard), member))
            else:
                checks[session_id] = at_ms
        for ended in await abandonment.review(checks, due.now) if checks else ():
            log.info("session abandoned", session_id=str(ended))
        if len(due.overdue) == BATCH:
            del self._next_s[shard]  # others are waiting
