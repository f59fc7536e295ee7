"""Identifiers: how each kind is made, and its form."""

from __future__ import annotations

import os
import random
import re
import secrets
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID, uuid4

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TICKET = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_ID = re.compile(r"[0-9a-f]{32}")

_UUID_CHARS = 36
COMMAND_ID_BYTES = 8
TICKET_BYTES = 32
SECRET_BYTES = 32
EPOCH_CHARS = 8
TOKEN_ID_CHARS = 32


def parse_uuid(text: str) -> UUID | None:
    """Return the UUID in the canonical form with hyphens, in either case; None for any other text."""
    if len(text) != _UUID_CHARS:
        return None
    try:
        return _cached_uuid(text)
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def _cached_uuid(text: str) -> UUID:
    """Return the UUID of a text. Raises ValueError for other texts, which therefore fill no memory."""
    if _UUID.fullmatch(text) is None:
        raise ValueError(text)
    return UUID(text)


def new_session_id() -> UUID:
    """Return a random id for a session whose creation names none."""
    return uuid4()


def derived_session_id(secret: bytes, principal: str, idempotency_key: str) -> UUID:
    """Return the session id of an Idempotency-Key, so that a repeated creation finds the first session. Without the
    secret it cannot be computed."""
    named = f"{principal}\0{idempotency_key}".encode()
    digest = blake2b(named, digest_size=16, key=secret[: blake2b.MAX_KEY_SIZE]).digest()
    return UUID(bytes=digest, version=4)


_random = random.Random(secrets.token_bytes(32))  # noqa: S311 - for ids that need not be secret
os.register_at_fork(after_in_child=lambda: _random.seed(secrets.token_bytes(32)))


def new_epoch() -> str:
    """Return an epoch, which distinguishes a session from others under the same id."""
    return secrets.token_hex(EPOCH_CHARS // 2)


def new_command_id() -> bytes:
    """Return an id of one commit attempt, by which its repetition is recognized."""
    return _random.randbytes(COMMAND_ID_BYTES)


def new_request_id() -> str:
    """Return an id that marks one request in logs and audit."""
    return _random.randbytes(8).hex()


def new_ticket() -> str:
    """Return a one-time ticket: 256 random bits in characters of URLs."""
    return secrets.token_urlsafe(TICKET_BYTES)


def new_token_id() -> str:
    """Return an id of a session token, by which it can be revoked."""
    return secrets.token_hex(TOKEN_ID_CHARS // 2)


def is_token_id(text: str) -> bool:
    """Return true for a text in the form of a token id."""
    return _TOKEN_ID.fullmatch(text) is not None


def is_ticket(text: str) -> bool:
    """Return true for a text in the form of a ticket. Other texts need no request to the store."""
    return _TICKET.fullmatch(text) is not None


def request_id_from(given: str | None) -> str:
    """Return the caller's request id if it is harmless, else a new one."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else new_request_id()
