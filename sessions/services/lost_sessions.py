"""Sessions that the store has lost: the audit tells them from those that were deleted, or never existed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from audit import lost_sessions
from sessions.services.audit_queries import run_query_async
from sessions.services.retention import kept_since
from synckairos.auth.permissions import role_of
from synckairos.auth.principal import Principal
from synckairos.errors import ServiceUnavailable
from synckairos.instants import as_datetime
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import logs

log = logs.get_logger(__name__)
T = TypeVar("T")

_LOST = "The state store has lost the session, which may be restored: ask again later"


async def lost_among(session_ids: Collection[UUID]) -> set[UUID] | None:
    """Return those of some sessions, which the store does not have, that it has lost; None when the audit is away."""
    return await _ask(lost_sessions.live_among, session_ids, as_datetime(kept_since(store_clock.now_ms())))


async def require_not_lost(session_id: UUID, reader: Principal) -> None:
    """Raise ServiceUnavailable for a session that the store has lost, if the reader may know that.

    It is for a session that the store does not have. Raises Unauthenticated for a session token that is not valid.
    Nothing is raised while the audit is away.
    """
    state = await _ask(lost_sessions.access_state, session_id, as_datetime(kept_since(store_clock.now_ms())))
    if state is not None and role_of(reader, state) is not None:
        raise session_lost()


def session_lost() -> ServiceUnavailable:
    """Return the error for a session that the store has lost."""
    return ServiceUnavailable(_LOST, details={"reason": "session_lost"})


async def _ask(query: Callable[..., T], *arguments: Any) -> T | None:
    """Return the result of a query; None when the audit does not give one in time."""
    try:
        return await run_query_async(partial(query, *arguments))
    except Exception as fault:  # noqa: BLE001 - a row that cannot be read tells no more than a database that is away
        log.warning("the audit cannot tell whether sessions are lost", error=type(fault).__name__)
        return None
