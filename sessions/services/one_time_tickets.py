"""One-time tickets: issued over REST for a token, redeemed in the address of a socket, where no token should stand."""

from __future__ import annotations

import time
from uuid import UUID

from msgspec import Struct

from sessions.store import ticket_records
from sessions.store.ticket_records import TicketRecord
from synckairos import ids
from synckairos.auth.permissions import check_scope
from synckairos.auth.principal import Principal
from synckairos.conf import conf
from synckairos.engine.units import Instant
from synckairos.errors import Unauthenticated
from synckairos.redis.procedures import Procedure, perform


class Ticket(Struct, frozen=True):
    """A ticket that was not redeemed yet."""

    value: str
    expires_ms: Instant


def issue(session_id: UUID, principal: Principal) -> Procedure[Ticket]:
    """Issue a ticket for one session, valid for a moment and never longer than the token that it was issued for.

    Raises Unauthenticated for a session token of another one.
    """
    check_scope(principal, session_id)
    left_ms = int((principal.expires_s - time.time()) * 1000)
    value = ids.new_ticket()
    good_ms = max(1, min(conf().ticket_ttl_ms, left_ms))
    expires_ms = yield from perform(ticket_records.save(value, TicketRecord(session_id, principal), good_ms))
    return Ticket(value, expires_ms)


def redeem(value: str, session_id: UUID) -> Procedure[Principal]:
    """Redeem a ticket, and return its principal. It is spent even when it was for another session.

    Raises Unauthenticated, without saying why.
    """
    record = (yield from perform(ticket_records.redeem(value))) if ids.is_ticket(value) else None
    if record is None or record.session_id != session_id or record.principal.has_expired:
        raise Unauthenticated
    return record.principal
