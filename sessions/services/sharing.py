"""Session tokens: a session's owner gives others a role in it, and takes it back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from sessions.services import sessions
from sessions.services.outcome import Caller, Outcome, Precondition
from sessions.store.calls import Steps
from synckairos import ids, logs
from synckairos.engine import commands
from synckairos.engine.state import NOBODY
from synckairos.engine.units import Duration, Instant
from synckairos.errors import ParticipantNotFound
from synckairos.grants import Role, SessionGrant
from synckairos.principal import Principal, mint_session_token
from synckairos.rights import Action

log = logs.get(__name__)

LONGEST_MS: Duration = 7 * 86_400_000
"""The longest that a session token can be good."""


class Given(Struct, frozen=True):
    """A token that was just given out; it is kept nowhere."""

    token: str
    grant: SessionGrant
    expires_ms: Instant


def give(
    session_id: UUID, giver: Principal, role: Role, participant_id: UUID | None, lifetime_ms: Duration | None
) -> Steps[Given]:
    """A token for this life of a session. Raises SessionNotFound, Forbidden, ParticipantNotFound."""
    outcome = yield from sessions.get(session_id, giver, Action.SHARE)
    state = outcome.state
    if participant_id is not None and state.position_of(participant_id) == NOBODY:
        raise ParticipantNotFound(participant_id)
    grant = SessionGrant(
        session_id, state.epoch, role, ids.new_token_id(), state.access.generation, participant_id=participant_id
    )
    lifetime = None if lifetime_ms is None else timedelta(milliseconds=lifetime_ms)
    token, expires_s = mint_session_token(grant, lifetime)
    log.info("session token given", token_id=grant.token_id, role=role.value, to_participant=str(participant_id))
    return Given(token, grant, int(expires_s * 1000))


def revoke(
    session_id: UUID, token_id: str | None, caller: Caller, only_if: Precondition | None = None
) -> Steps[Outcome]:
    """End one token, or with None all that were given out so far; twice is once.

    Raises SessionNotFound, Forbidden, and ValidationFailed when too many were revoked one by one.
    """
    command = commands.RevokeAccess(LONGEST_MS, token_id)
    return (yield from sessions.execute(session_id, command, caller, only_if))
