"""A store that has no room left, and a store that gets some again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from synckairos.redis import client as redis_client


@contextmanager
def full(client: Any = None) -> Iterator[None]:
    """The store has more than it may have, and throws nothing away: it refuses whatever needs memory."""
    client = client or redis_client.blocking_client()
    before = client.config_get("maxmemory", "maxmemory-policy")
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)
