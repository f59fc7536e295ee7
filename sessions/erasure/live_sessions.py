"""The part of an erasure that goes through the session service: live sessions that the person owns or has seats in."""

from __future__ import annotations

from uuid import UUID

from audit.personal_values import Person
from sessions.erasure.stored_values import StoredState
from sessions.services import sessions
from sessions.services.outcome import Caller, Device
from synckairos import ids
from synckairos.auth.permissions import seats_by_subject
from synckairos.auth.principal import Principal
from synckairos.engine import commands
from synckairos.engine.commands import Command
from synckairos.engine.state import State
from synckairos.errors import Conflict, SessionNotFound
from synckairos.outbox import Door
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking


def owns_live(state: State, person: Person) -> bool:
    """Return true for a session that has not ended and whose owner is the person."""
    return state.access.owner == person.user_id and not state.status.is_final


def cancel(session_id: UUID, by: str) -> None:
    """Cancel a session, unless it has ended meanwhile."""
    _execute(session_id, commands.Cancel(), by)


def leave_seats(found: StoredState, person: Person, by: str) -> int:
    """Give the person's seats in a session to nobody, and return their number.

    Recent commits before that are forgotten: they can hold reasons about the person.
    """
    session_id = found.state.session_id
    own = seats_by_subject(found.state).get(person.user_id, ())
    for participant_id in own:
        _execute(session_id, commands.AssignSeat(participant_id), by)
    if own:
        redis_client.blocking_client().ltrim(keys.recent(session_id), 0, 0)
    return len(own)


def _execute(session_id: UUID, command: Command, by: str) -> None:
    principal = Principal(by, is_staff=True, expires_s=float("inf"))
    caller = Caller(principal, ids.new_request_id(), device=Device(Door.COMMAND))
    try:
        run_blocking(sessions.execute(session_id, command, caller))
    except (SessionNotFound, Conflict):  # it is gone, or has ended
        return
