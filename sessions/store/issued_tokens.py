"""Records of session tokens issued under an Idempotency-Key, which a repeat is answered from. No I/O happens here.

The token itself is stored nowhere. The id and the times in a record cannot be used as a token.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from sessions.store.lua import FOLDER
from synckairos.auth.principal import ValidityPeriod
from synckairos.engine.units import Duration
from synckairos.redis.scripts import Call, Script
from synckairos.stored_state import Unreadable

_SAVE_IF_ABSENT = Script(FOLDER / "save_if_absent.lua")
_REPLACE = Script(FOLDER / "replace_record.lua")

TOKEN_RECORD_BYTES = 100
"""Approximate size of one record in the store."""


class TokenRecord(Struct, frozen=True, array_like=True):
    """The data from which, with an equal request, an equal token is made again."""

    fingerprint: bytes
    """Fingerprint of the request body."""
    token_id: str
    generation: int
    """Number of revocations of all the session's tokens before this one."""
    validity: ValidityPeriod
    is_granted: bool = True
    """False until the grant is committed. Records of releases that committed none have no such field."""


def save_if_absent(name: str, record: TokenRecord, kept_ms: Duration) -> Call[TokenRecord | None]:
    """Save a record under a key of `keys.idempotency`, unless there is one; the result is the existing record, or
    None."""
    return Call(_SAVE_IF_ABSENT, [name], [msgspec.msgpack.encode(record), kept_ms], _parse)


def replace_record(name: str, record: TokenRecord) -> Call[bool]:
    """Replace the record under a key, if it is still there."""
    return Call(_REPLACE, [name], [msgspec.msgpack.encode(record)], bool)


def _parse(reply: bytes | None) -> TokenRecord | None:
    """Decode a token record. Raises Unreadable."""
    try:
        return None if reply is None else _decoder.decode(reply)
    except (msgspec.DecodeError, ValueError) as cause:
        raise Unreadable("session token") from cause


_decoder = msgspec.msgpack.Decoder(TokenRecord)
