"""Reading the state that a client begins with, after it has joined the hub."""

from __future__ import annotations

from uuid import UUID

from sessions.hub.hub import hub
from sessions.hub.subscriber import Subscriber
from sessions.services import sessions as service
from sessions.services.outcome import Outcome
from synckairos.errors import Conflict
from synckairos.redis.procedures import run_async

_TRIES = 5


async def current(session_id: UUID, subscriber: Subscriber) -> Outcome:
    """The session as it stands, and what it is to this client. Raises SessionNotFound.

    When the hub has told meanwhile of another session under the same id, which of the two is the newer one can only be
    known by reading again.
    """
    for _ in range(_TRIES):
        outcome = await run_async(service.get(session_id, subscriber.principal))
        if subscriber.position.epoch in {None, outcome.state.epoch}:
            subscriber.check_access(outcome.state)
            hub().note_access_checked(session_id, outcome.state)
            return outcome
    raise Conflict
