"""Read the first state of a client, after it has joined the hub."""

from __future__ import annotations

from uuid import UUID

from sessions.hub.hub import hub
from sessions.hub.subscriber import Subscriber
from sessions.services import sessions as service
from sessions.services.outcome import Outcome
from synckairos.errors import Conflict
from synckairos.redis.procedures import run_async

_TRIES = 5


async def read_initial_state(session_id: UUID, subscriber: Subscriber) -> Outcome:
    """Return the session with its view for this client. Raises SessionNotFound, Conflict.

    When the hub has received another epoch of the session meanwhile, only another read tells which one is newer.
    """
    for _ in range(_TRIES):
        outcome = await run_async(service.get(session_id, subscriber.principal))
        if subscriber.position.epoch in {None, outcome.state.epoch}:
            subscriber.check_access(outcome.state)
            hub().note_access_checked(session_id, outcome.state)
            return outcome
    raise Conflict
