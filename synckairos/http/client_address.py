"""Client addresses: the address of the peer, or, behind trusted proxies, the one that they name.

They serve to limit unauthenticated requests only: an address proves nothing about a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

from django.http import HttpRequest

from synckairos.conf import conf
from synckairos.http.asgi import headers
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""Address of clients that have none (peers on a Unix socket); they share one limit."""
_IPV6_PREFIX_BITS = 64
"""Prefix length of an IPv6 network that one customer has; any address in it may be the customer's."""


def of_scope(scope: dict[str, Any]) -> str:
    """Return the client address of an ASGI connection, as `client_address` does."""
    client = scope.get("client")
    return client_address(client[0] if client else None, ",".join(headers(scope, b"x-forwarded-for")))


def is_from_trusted_proxy(scope: dict[str, Any]) -> bool:
    """Return true when the peer of an ASGI connection is a trusted proxy."""
    client = scope.get("client")
    return _is_trusted(_parse(client[0] if client else ""))


def of_request(request: HttpRequest) -> str:
    """Return the client address of a Django or DRF request, as `client_address` does."""
    return client_address(request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def client_address(peer: str | None, forwarded: str) -> str:
    """Return the nearest address that is not a trusted proxy, as text: an IPv4 address or an IPv6 network."""
    address = _parse(peer or "")
    if _is_trusted(address):
        for hop in _hops(forwarded):
            address = hop
            if not _is_trusted(hop):
                break
    elif forwarded:
        warn_once("X-Forwarded-For from a peer that is not in SYNCKAIROS_TRUSTED_PROXIES: its clients share one limit")
    return _as_text(address)


def _hops(forwarded: str) -> Iterator[Address]:
    """Yield the addresses of X-Forwarded-For from the nearest to the farthest, up to the first malformed one."""
    for text in reversed(forwarded.split(",")):
        address = _parse(text.strip())
        if address is None:
            return
        yield address


def _is_trusted(address: Address | None) -> bool:
    if address is None:
        return conf().trusts_unix_sockets
    return any(address in network for network in conf().trusted_proxies)


def _parse(text: str) -> Address | None:
    """Return the address in a text, which may have a port as some proxies write it; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _as_text(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _IPV6_PREFIX_BITS), strict=False))
    return UNKNOWN if address is None else str(address)


@cache
def warn_once(what: str) -> None:
    """Log a warning once for each process."""
    log.warning(what)
