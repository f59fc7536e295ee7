"""Sessions of a sorted set whose instant has come; members that are no session ids are removed."""

from __future__ import annotations

from uuid import UUID

from sessions.store import store
from sessions.store.store import Due
from synckairos.engine.units import Instant
from synckairos.ids import parse_uuid
from synckairos.redis.scripts import send
from synckairos.telemetry import logs

log = logs.get_logger(__name__)


async def overdue_sessions(shard: int, key: str, due: Due, message: str) -> dict[UUID, Instant]:
    """Return the overdue sessions with their instants; log `message` for each member that is removed.

    Raises ServiceUnavailable.
    """
    instants: dict[UUID, Instant] = {}
    for member, at_ms in due.overdue:
        session_id = parse_uuid(member)
        if session_id is None:
            log.error(message, member=member)
            await send(store.remove_invalid_member(shard, key, member))
        else:
            instants[session_id] = at_ms
    return instants
