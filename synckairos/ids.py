"""Identifiers: where each kind comes from and what it looks like."""

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
    """A UUID in its canonical form with hyphens, either case; None for anything else."""
    if len(text) != _UUID_CHARS:
        return None
    try:
        return _cached_uuid(text)
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def _cached_uuid(text: str) -> UUID:
    """The same ones come again. Nothing else is remembered: whoever sends other texts fills no memory with them.

    Raises ValueError.
    """
    if _UUID.fullmatch(text) is None:
        raise ValueError(text)
    return UUID(text)


def new_session_id() -> UUID:
    """A session's id, when nobody says which it shall have."""
    return uuid4()


def derived_session_id(secret: bytes, principal: str, idempotency_key: str) -> UUID:
    """A session's id by the caller's key, so that a repeated creation finds the first one: nobody's to work out without
    the secret."""
    named = f"{principal}\0{idempotency_key}".encode()
    digest = blake2b(named, digest_size=16, key=secret[: blake2b.MAX_KEY_SIZE]).digest()
    return UUID(bytes=digest, version=4)


_random = random.Random(secrets.token_bytes(32))  # noqa: S311 - for ids that need not be secret
os.register_at_fork(after_in_child=lambda: _random.seed(secrets.token_bytes(32)))


def new_epoch() -> str:
    """Tells this session from any other that has or had the same id."""
    return secrets.token_hex(EPOCH_CHARS // 2)


def new_command_id() -> bytes:
    """Marks one attempt to commit, so that its repetition is recognised."""
    return _random.randbytes(COMMAND_ID_BYTES)


def new_request_id() -> str:
    """Follows one request through the logs and the audit."""
    return _random.randbytes(8).hex()


def new_ticket() -> str:
    """Lets its bearer connect once: 256 random bits, made for addresses."""
    return secrets.token_urlsafe(TICKET_BYTES)


def new_token_id() -> str:
    """Names one session token, so that it can be revoked."""
    return secrets.token_hex(TOKEN_ID_CHARS // 2)


def is_token_id(text: str) -> bool:
    """Whether it can be one of ours."""
    return _TOKEN_ID.fullmatch(text) is not None


def is_ticket(text: str) -> bool:
    """Whether it can be one of ours, so that the store need not be asked about anything else."""
    return _TICKET.fullmatch(text) is not None


def request_id_from(given: str | None) -> str:
    """The caller's own request id when it is harmless, else a new one."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else new_request_id()
