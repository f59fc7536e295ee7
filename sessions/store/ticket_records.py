"""One-time tickets in the store: under their digests only, each deleted with its first use. No I/O happens here."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from sessions.store.lua import FOLDER
from synckairos.auth.principal import Principal
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script
from synckairos.stored_state import Unreadable

_SAVE = Script(FOLDER / "save_ticket.lua", allow_oom=True)  # small, and expires within seconds
_REDEEM = Script(FOLDER / "redeem_ticket.lua")


class TicketRecord(Struct, frozen=True):
    """The session and the principal of a ticket: those of the token that it was bought with."""

    session_id: UUID
    principal: Principal


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_records = msgspec.msgpack.Decoder(TicketRecord)


def save(ticket: str, record: TicketRecord, good_ms: Duration) -> Call[Instant]:
    """Save a ticket; the result is the instant at which it expires, on the store's clock."""

    def expiry(reply: list[bytes]) -> Instant:
        return int(reply[0]) * 1000 + int(reply[1]) // 1000 + good_ms

    return Call(_SAVE, [keys.ticket(ticket)], [_encoder.encode(record), good_ms], expiry)


def redeem(ticket: str) -> Call[TicketRecord | None]:
    """Delete a ticket and return its record; None for one that is unknown, used or expired."""
    return Call(_REDEEM, [keys.ticket(ticket)], [], _parse_record)


def _parse_record(reply: bytes | None) -> TicketRecord | None:
    return None if reply is None else decode(reply)


def decode(data: bytes) -> TicketRecord:
    """Return the record of a stored ticket. Raises Unreadable."""
    try:
        return _records.decode(data)
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("ticket") from cause
