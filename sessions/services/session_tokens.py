"""Session tokens: the owner of a session issues tokens that have a role in it, and revokes them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from sessions.requests.bodies import SessionTokenRequest
from sessions.services import idempotency_records, sessions
from sessions.services.outcome import Caller, Idempotency
from sessions.services.pipeline import execute
from sessions.store.issued_tokens import TOKEN_RECORD_BYTES, TokenRecord, replace_record, save_if_absent
from synckairos import ids
from synckairos.auth.grants import SessionGrant
from synckairos.auth.permissions import Action, token_epoch
from synckairos.auth.principal import SESSION, mint_session_token, validity_from_now
from synckairos.conf import conf
from synckairos.engine import commands
from synckairos.engine.state import NOBODY, State
from synckairos.engine.units import Instant
from synckairos.errors import IdempotencyKeyReused, ParticipantNotFound
from synckairos.ids import COMMAND_ID_BYTES
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
    """Issue a token for this epoch of a session. The grant is an event of the session (`access.granted`).

    Raises SessionNotFound, Forbidden, ParticipantNotFound, IdempotencyKeyReused, and what the pipeline raises.
    """
    outcome = yield from sessions.get(session_id, caller.principal, Action.SHARE)
    state, seat = outcome.state, request.participant_id
    if seat is not None and state.position_of(seat) == NOBODY:
        raise ParticipantNotFound(seat)
    lifetime = None if request.lifetime_ms is None else timedelta(milliseconds=request.lifetime_ms)
    given = caller.idempotency
    token = TokenRecord(
        b"" if given is None else given.fingerprint,
        ids.new_token_id(),
        state.access.generation,
        validity_from_now(SESSION, lifetime),
        is_granted=False,
    )
    if given is None:
        yield from _grant(state, caller, request, token)
        return _issued(state, request, token, replayed=False)
    name = keys.idempotency(state.session_id, caller.principal.subject, f"{state.epoch} {given.route}", given.key)
    kept = yield from _issued_before(name, state, caller, given, token)
    token = kept or token
    if not token.is_granted:  # so is one whose first request has failed in between
        yield from _grant(state, caller, request, token)
        yield from perform(replace_record(name, replace(token, is_granted=True)))
    return _issued(state, request, token, replayed=kept is not None)


def _grant(state: State, caller: Caller, request: SessionTokenRequest, token: TokenRecord) -> Procedure[None]:
    """Commit the grant to the session that stands under the id by now. Raises SessionNotFound when there is none.

    One that was made anew meanwhile may get the event of a token that gives no access to it: the token is of the
    session that was read.
    """
    until_ms = token.validity.expires_s * 1000
    command = commands.GrantAccess(request.role.value, token.token_id, until_ms, request.participant_id)
    commit_id = bytes.fromhex(token.token_id)[:COMMAND_ID_BYTES]  # of many repeats at once, one is committed
    yield from execute(state.session_id, command, caller, commit_id=commit_id)
    log.info("session token given", token_id=token.token_id, role=request.role.value)


def _issued(state: State, request: SessionTokenRequest, token: TokenRecord, *, replayed: bool) -> IssuedToken:
    epoch = token_epoch(state)
    grant = SessionGrant(
        state.session_id, epoch, request.role, token.token_id, token.generation, request.participant_id
    )
    return IssuedToken(mint_session_token(grant, token.validity), grant, token.validity.expires_s * 1000, replayed)


def _issued_before(
    name: str, state: State, caller: Caller, given: Idempotency, new: TokenRecord
) -> Procedure[TokenRecord | None]:
    """Return the token issued under this key before; None when it is this one from now on. Raises RateLimitExceeded."""
    owner = idempotency_records.record_owner_of(caller, state)
    kept_ms = given.kept_ms or conf().idempotency_ttl_ms
    kept = yield from perform(save_if_absent(name, new, kept_ms))
    if kept is None:
        yield from idempotency_records.charge_bytes(TOKEN_RECORD_BYTES, kept_ms, owner)
        return None
    if kept.fingerprint != given.fingerprint:
        raise IdempotencyKeyReused
    metrics.REPLAYED.inc()
    return kept
