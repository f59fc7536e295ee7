"""Session tokens that were given under an Idempotency-Key: what a repeat is answered from. No I/O happens here.

A token itself is kept nowhere. Who reads the store finds its id and its times, and cannot use them.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from sessions.store.codec import Unreadable
from sessions.store.lua import FOLDER
from synckairos.auth.principal import ValidityPeriod
from synckairos.engine.units import Duration
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_FIRST = Script(FOLDER / "first.lua")

GIVEN_BYTES = 100
"""What one takes up, more or less."""


class Given(Struct, frozen=True, array_like=True):
    """What the same token is made from again, beside the request, which is the same."""

    fingerprint: bytes
    """Of the request."""
    token_id: str
    generation: int
    """How often all tokens of the session had been revoked by then."""
    validity: ValidityPeriod


class Place(Struct, frozen=True):
    """Where it is kept: of this life of a session, this person and this key."""

    session_id: UUID
    epoch: str
    principal: str
    route: str
    key: str


def first(place: Place, given: Given, kept_ms: Duration) -> Call[Given | None]:
    """Keep it, unless there is one already: then that comes back, else None."""
    record = keys.idempotency(place.session_id, place.principal, f"{place.epoch} {place.route}", place.key)
    return Call(_FIRST, [record], [msgspec.msgpack.encode(given), kept_ms], _parse)


def _parse(reply: bytes | None) -> Given | None:
    """Raises Unreadable."""
    try:
        return None if reply is None else _given.decode(reply)
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("session token") from cause


_given = msgspec.msgpack.Decoder(Given)
