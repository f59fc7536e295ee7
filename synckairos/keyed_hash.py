"""Keyed hashes: equal values have equal hashes, which without the key tell nothing about the values."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from synckairos.conf import conf

HASH_BYTES = 16
LOG_NAME_CHARS = 16


def hashed(value: str) -> bytes:
    """Return the hash of a value under the key of this installation."""
    return blake2b(value.encode(), key=conf().audit_key, digest_size=HASH_BYTES).digest()


@lru_cache(maxsize=8_192)
def log_name(subject: str) -> str:
    """Return the text that stands in log lines for a person: equal for one person in all processes."""
    return hashed(f"log\0{subject}").hex()[:LOG_NAME_CHARS]
