"""Session tokens: the owner of a session issues tokens that have a role in it, and revokes them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from sessions.requests.bodies import SessionTokenRequest
from sessions.services import idempotency_records, sessions
from sessions.services.outcome import Caller, Idempotency
from sessions.store.issued_tokens import TOKEN_RECORD_BYTES, TokenRecord, save_if_absent
from synckairos import ids
from synckairos.auth.grants import SessionGrant
from synckairos.auth.permissions import Action
from synckairos.auth.principal import SESSION, mint_session_token, validity_from_now
from synckairos.conf import conf
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Instant
from synckairos.errors import IdempotencyKeyReused, ParticipantNotFound
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, perform
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)


class IssuedToken(Struct, frozen=True):
    """A token that was issued; it is stored nowhere."""

    token: str
    grant: SessionGrant
    expires_ms: Instant
    replayed: bool = False
    """True for the first answer to the same Idempotency-Key: no token was added now."""


def issue(session_id: UUID, caller: Caller, request: SessionTokenRequest) -> Procedure[IssuedToken]:
    """Issue a token for this epoch of a session. Raises SessionNotFound, Forbidden, ParticipantNotFound,
    IdempotencyKeyReused."""
    outcome = yield from sessions.get(session_id, caller.principal, Action.SHARE)
    state, seat = outcome.state, request.participant_id
    if seat is not None and state.position_of(seat) == NOBODY:
        raise ParticipantNotFound(seat)
    lifetime = None if request.lifetime_ms is None else timedelta(milliseconds=request.lifetime_ms)
    given = caller.idempotency
    new = TokenRecord(
        b"" if given is None else given.fingerprint,
        ids.new_token_id(),
        state.access.generation,
        validity_from_now(SESSION, lifetime),
    )
    kept = None if given is None else (yield from _issued_before(state, caller, given, new))
    token = kept or new
    grant = SessionGrant(session_id, state.epoch, request.role, token.token_id, token.generation, seat)
    if kept is None:
        log.info("session token given", token_id=grant.token_id, role=request.role.value, to_participant=str(seat))
    return IssuedToken(
        mint_session_token(grant, token.validity), grant, token.validity.expires_s * 1000, kept is not None
    )


def _issued_before(state: State, caller: Caller, given: Idempotency, new: TokenRecord) -> Procedure[TokenRecord | None]:
    """Return the token issued under this key before; None when it is this one from now on. Raises RateLimitExceeded."""
    owner = idempotency_records.record_owner_of(caller, state)
    route = f"{state.epoch} {given.route}"
    name = keys.idempotency(state.session_id, caller.principal.subject, route, given.key)
    kept_ms = given.kept_ms or conf().idempotency_ttl_ms
    kept = yield from perform(save_if_absent(name, new, kept_ms))
    if kept is None:
        yield from idempotency_records.charge_bytes(TOKEN_RECORD_BYTES, kept_ms, owner)
        return None
    if kept.fingerprint != given.fingerprint:
        raise IdempotencyKeyReused
    metrics.REPLAYED.inc()
    return kept
