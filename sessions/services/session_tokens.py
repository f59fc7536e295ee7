"""Session tokens: a session's owner gives others a role in it, and takes it back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from sessions.preconditions import Precondition
from sessions.services import idempotency_records, sessions
from sessions.services.outcome import Caller, Idempotency, Outcome
from sessions.services.state_cache import StateCache
from sessions.store.issued_tokens import GIVEN_BYTES, Given, Place, first
from synckairos import ids
from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.permissions import Action
from synckairos.auth.principal import SESSION, mint_session_token, validity_from_now
from synckairos.conf import conf
from synckairos.engine import commands
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Duration, Instant
from synckairos.errors import IdempotencyKeyReused, ParticipantNotFound
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis.procedures import Procedure, perform
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

LONGEST_MS: Duration = 7 * 86_400_000
"""The longest that a session token can be good."""


class Asked(Struct, frozen=True):
    """The token that somebody wants given."""

    role: Role
    participant_id: UUID | None = None
    lifetime_ms: Duration | None = None


class Handed(Struct, frozen=True):
    """A token that was given out; it is kept nowhere."""

    token: str
    grant: SessionGrant
    expires_ms: Instant
    replayed: bool = False
    """This is the first answer to the same Idempotency-Key; no token has been added now."""


def give(session_id: UUID, caller: Caller, asked: Asked) -> Procedure[Handed]:
    """A token for this life of a session. Raises SessionNotFound, Forbidden, ParticipantNotFound,
    IdempotencyKeyReused."""
    outcome = yield from sessions.get(session_id, caller.principal, Action.SHARE)
    state, seat = outcome.state, asked.participant_id
    if seat is not None and state.position_of(seat) == NOBODY:
        raise ParticipantNotFound(seat)
    lifetime = None if asked.lifetime_ms is None else timedelta(milliseconds=asked.lifetime_ms)
    given = caller.idempotency
    new = Given(
        b"" if given is None else given.fingerprint,
        ids.new_token_id(),
        state.access.generation,
        validity_from_now(SESSION, lifetime),
    )
    kept = None if given is None else (yield from _kept(state, caller, given, new))
    said = kept or new
    grant = SessionGrant(session_id, state.epoch, asked.role, said.token_id, said.generation, seat)
    if kept is None:
        log.info("session token given", token_id=grant.token_id, role=asked.role.value, to_participant=str(seat))
    return Handed(mint_session_token(grant, said.validity), grant, said.validity.expires_s * 1000, kept is not None)


def _kept(state: State, giver: Caller, asked: Idempotency, new: Given) -> Procedure[Given | None]:
    """What was given under this key before, if anything; else it is this from now on. Raises RateLimitExceeded."""
    payer = idempotency_records.payer_of(giver, state)
    place = Place(state.session_id, state.epoch, giver.principal.subject, asked.route, asked.key)
    kept_ms = asked.kept_ms or conf().idempotency_ttl_ms
    kept = yield from perform(first(place, new, kept_ms))
    if kept is None:
        yield from idempotency_records.charged_bytes(GIVEN_BYTES, kept_ms, payer)
        return None
    if kept.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused
    metrics.REPLAYED.inc()
    return kept


def revoke(
    session_id: UUID,
    token_id: str | None,
    caller: Caller,
    only_if: Precondition | None = None,
    *,
    limiter: RateLimiter | None = None,
    cache: StateCache | None = None,
) -> Procedure[Outcome]:
    """Revoke one token, or with None all that were issued so far. Revoking one twice changes nothing.

    Raises SessionNotFound, Forbidden, and ValidationFailed when too many were revoked one by one.
    """
    command = commands.RevokeAccess(LONGEST_MS, token_id)
    return sessions.execute(session_id, command, caller, only_if, limiter=limiter, cache=cache)
