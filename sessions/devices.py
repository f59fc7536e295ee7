"""The device of a caller, for the audit: keyed hashes of its address and of its user agent, and the door it came by."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sessions.services.outcome import Device
from synckairos.http.asgi import headers
from synckairos.http.client_address import UNKNOWN, client_address
from synckairos.keyed_hash import hashed
from synckairos.outbox import Door

_LONGEST_CACHED = 512
"""Longest texts of one device that are cached, so that the cache stays small whatever clients send."""


def device_of(door: Door, peer: str | None, forwarded: str, user_agent: str) -> Device:
    """Return the device at an address; `forwarded` is what X-Forwarded-For says, `user_agent` is empty without one."""
    if len(forwarded) + len(user_agent) > _LONGEST_CACHED:
        return _device(door, peer, forwarded, user_agent)
    return _cached_device(door, peer, forwarded, user_agent)


def _device(door: Door, peer: str | None, forwarded: str, user_agent: str) -> Device:
    address = client_address(peer, forwarded)
    return Device(
        door,
        b"" if address == UNKNOWN else hashed(address),
        hashed(user_agent) if user_agent else b"",
    )


_cached_device = lru_cache(maxsize=8_192)(_device)


def device_of_scope(scope: dict[str, Any]) -> Device:
    """Return the device of a socket."""
    client = scope.get("client")
    forwarded, user_agents = (",".join(headers(scope, name)) for name in (b"x-forwarded-for", b"user-agent"))
    return device_of(Door.SOCKET, client[0] if client else None, forwarded, user_agents)
