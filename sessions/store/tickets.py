"""One-time tickets in the store: under their digests only, each gone with its first use. No I/O happens here."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from sessions.store.codec import Unreadable
from sessions.store.lua import FOLDER
from synckairos.auth.principal import Principal
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_GRANT = Script(FOLDER / "grant.lua", allow_oom=True)  # gone within seconds; without it no page could come back to read
_REDEEM = Script(FOLDER / "redeem.lua")


class Grant(Struct, frozen=True):
    """What a ticket lets do: be this person, with the credentials it was bought with, at this session."""

    session_id: UUID
    principal: Principal


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_grants = msgspec.msgpack.Decoder(Grant)


def grant(ticket: str, granted: Grant, good_ms: Duration) -> Call[Instant]:
    """Keep a ticket; gives the instant until which it is good, on the store's clock."""

    def until(reply: list[bytes]) -> Instant:
        return int(reply[0]) * 1000 + int(reply[1]) // 1000 + good_ms

    return Call(_GRANT, [keys.ticket(ticket)], [_encoder.encode(granted), good_ms], until)


def redeem(ticket: str) -> Call[Grant | None]:
    """Spend a ticket; None for one that is unknown, spent or over."""
    return Call(_REDEEM, [keys.ticket(ticket)], [], _parse_grant)


def _parse_grant(reply: bytes | None) -> Grant | None:
    """Raises Unreadable."""
    try:
        return None if reply is None else _grants.decode(reply)
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("ticket") from cause
