"""Where a request comes from: the peer, or, behind proxies that are trusted, whom they name.

Only to limit strangers: an address proves nothing about a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

from django.http import HttpRequest

from synckairos.conf import conf
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""Who has no address (a peer on a Unix socket) shares one limit with all the others."""
_IPV6_PREFIX_BITS = 64
"""One customer has a whole network of this size in IPv6, and may change the address within it at will."""


def of_scope(scope: dict[str, Any]) -> str:
    """Whose limit an ASGI connection counts against."""
    client = scope.get("client")
    values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    return client_address(client[0] if client else None, ",".join(values))


def is_from_trusted_proxy(scope: dict[str, Any]) -> bool:
    """Whether an ASGI connection comes from a proxy that is trusted."""
    client = scope.get("client")
    return _is_trusted(_parse(client[0] if client else ""))


def of_request(request: HttpRequest) -> str:
    """Whose limit a request of Django's (or of DRF's) counts against."""
    return client_address(request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def client_address(peer: str | None, forwarded: str) -> str:
    """The nearest address that is no trusted proxy, as text: an IPv4 address or an IPv6 network."""
    address = _parse(peer or "")
    if _is_trusted(address):
        for hop in _hops(forwarded):
            address = hop
            if not _is_trusted(hop):
                break
    elif forwarded:
        _warn_once("X-Forwarded-For from a peer that is not in SYNCKAIROS_TRUSTED_PROXIES: its clients share one limit")
    return _as_text(address)


def _hops(forwarded: str) -> Iterator[Address]:
    """From the nearest to the farthest, as far as they can be read."""
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
    """An address, perhaps with a port, as proxies write it; None for anything else."""
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


def warn_of_unnamed_proxy() -> None:
    """A connection was refused because the proxy it came by is not named: say so, once."""
    _warn_once("requests are refused: they come by a proxy that is not in SYNCKAIROS_TRUSTED_PROXIES")


@cache
def _warn_once(what: str) -> None:
    log.warning(what)
