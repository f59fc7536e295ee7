"""Keyed hashes: equal values have equal hashes, which without the key tell nothing about the values."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from synckairos.conf import conf

HASH_BYTES = 16


def hashed(value: str) -> bytes:
    """Return the hash of a value under the key of this installation."""
    return blake2b(value.encode(), key=conf().audit_key, digest_size=HASH_BYTES).digest()


@lru_cache(maxsize=8_192)
def hashed_often(value: str) -> bytes:
    """Return the hash of a value that comes often, of an address or a user agent."""
    return hashed(value)
