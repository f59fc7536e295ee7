"""Read the first state of a client, after it has joined the hub."""

from __future__ import annotations

from uuid import UUID

from sessions.hub.hub import hub
from sessions.hub.subscriber import Subscriber
from sessions.services import sessions as service
from sessions.services.lost_sessions import require_not_lost
from sessions.services.outcome import Outcome, Recovery
from sessions.services.recovery import recover
from synckairos.auth.principal import Principal
from synckairos.errors import Conflict, SessionNotFound
from synckairos.redis.procedures import run_async

_TRIES = 5


async def read_initial_state(session_id: UUID, subscriber: Subscriber) -> Outcome:
    """Return the session with its view for this client. Raises SessionNotFound, ServiceUnavailable, Conflict.

    When the hub has received another epoch of the session meanwhile, only another read tells which one is newer.
    """
    for _ in range(_TRIES):
        try:
            outcome = await run_async(service.get(session_id, subscriber.principal))
        except SessionNotFound:
            await require_not_lost(session_id, subscriber.principal)
            raise
        if subscriber.position.epoch in {None, outcome.state.epoch}:
            subscriber.check_access(outcome.state)
            hub().note_access_checked(session_id, outcome.state)
            return outcome
    raise Conflict


async def read_recovery(session_id: UUID, reader: Principal, version: int | None, epoch: str | None) -> Recovery:
    """Return the session with what a client at a version has missed. Raises SessionNotFound, ServiceUnavailable."""
    try:
        return await run_async(recover(session_id, reader, version, epoch))
    except SessionNotFound:
        await require_not_lost(session_id, reader)
        raise
