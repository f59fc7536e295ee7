"""Keyed hashes: equal values have equal hashes, which without the key tell nothing about the values."""

from __future__ import annotations

from hashlib import blake2b

from synckairos.conf import conf

HASH_BYTES = 16


def hashed(value: str) -> bytes:
    """Return the hash of a value under the key of this installation."""
    return blake2b(value.encode(), key=conf().audit_key, digest_size=HASH_BYTES).digest()
