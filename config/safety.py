"""Rules for safe settings, which are stricter in production. Each message names what is expected, and no part of a
secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from marshmallow.exceptions import ValidationError as Unacceptable

from synckairos.redis.client import StoreUrl

_SHORTEST_SECRET = 32
_SHORTEST_IN_PRODUCTION = 50
_FEWEST_CHARACTERS = 10
_UNSAFE_PREFIX = "django-insecure-"
_OTHERS = 0o007
_PRIVATE_SCHEMES = frozenset({"unix", "rediss"})
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
"""Names that Django accepts in a Host header."""
_MAX_PUBLIC_ADDRESSES = {4: 2**24, 6: 2**112}
"""Largest number of public addresses of trusted proxies: a /8 of IPv4, a /16 of IPv6. The largest providers publish
less."""
_MAPPED = IPv6Network("::ffff:0:0/96")
_PRIVATE: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")),
    *map(IPv6Network, ("fc00::/7", "fe80::/10", "::1/128")),
)
_APP_SCHEMES = frozenset({"capacitor", "ionic"})
_APP_ORIGIN = "http://localhost"
"""Origins of pages in the web view of an Android app."""


class Proxies(NamedTuple):
    """Peers that are proxies between the clients and this server."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    unix_sockets: bool


NO_PROXIES = Proxies((), unix_sockets=False)


def proxies(text: str, *, in_production: bool) -> Proxies:
    """Return networks, and `unix`. In production there must be one, since a proxy ends TLS, and they must not cover
    most addresses."""
    names = names_in(text)
    try:
        networks = tuple(ip_network(name) for name in names if name != "unix")
    except ValueError as error:
        raise Unacceptable(f"Expected networks such as 10.0.0.0/8, or unix, separated by commas: {error}.") from error
    if in_production and not names:
        raise Unacceptable("Name the proxies that end TLS: without them no request counts as HTTPS.")
    if in_production and _covers_too_much(networks):
        raise Unacceptable("Name the proxies: networks as large as these, taken together, would believe every client.")
    return Proxies(networks, "unix" in names)


def _covers_too_much(networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return true for networks that contain, in sum, more public addresses than those of any provider's proxies."""
    plain = [_plain(network) for network in networks]
    fours = collapse_addresses(network for network in plain if isinstance(network, IPv4Network))
    sixes = collapse_addresses(network for network in plain if isinstance(network, IPv6Network))
    return _public_addresses(fours) > _MAX_PUBLIC_ADDRESSES[4] or _public_addresses(sixes) > _MAX_PUBLIC_ADDRESSES[6]


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return an IPv4 network that is written as one of IPv6 in its IPv4 form."""
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen))


def _public_addresses(networks: Iterable[IPv4Network | IPv6Network]) -> int:
    """Return the number of addresses outside private networks."""
    return sum(network.num_addresses for network in networks if not any(_is_within(network, own) for own in _PRIVATE))


def _is_within(network: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]  # of one version


def origins(text: str, *, in_production: bool) -> tuple[str, ...]:
    """Return origins as browsers send them; in production only HTTPS and those of apps, and no `*`."""
    given = tuple(name.lower() for name in names_in(text))
    for origin in given:
        if origin == "*":
            if in_production:
                raise Unacceptable("Name the origins: * is every page there is.")
        elif not _is_origin(origin):
            raise Unacceptable(f"Expected origins such as https://app.example.com or capacitor://localhost: {origin}.")
        elif in_production and origin.startswith("http://") and origin != _APP_ORIGIN:
            raise Unacceptable(f"In production pages come by HTTPS: {origin}.")
    return given


def hosts(text: str, *, in_production: bool) -> list[str]:
    """Return host names; in production each has to be named."""
    named = names_in(text)
    if in_production and not named:
        raise Unacceptable("Must not be empty.")
    if in_production and any("*" in host or host.startswith(".") for host in named):
        raise Unacceptable("Name the hosts: a wildcard (* or a leading dot) takes any Host header, or any beneath one.")
    for host in named if in_production else ():
        if not _HOST.fullmatch(host):
            raise Unacceptable(f"Expected names such as clock.example.com, without scheme and port: {host}.")
    return named


def secret(value: str, *, in_production: bool) -> None:
    """Accepts a secret that is long and mixed enough to sign with."""
    shortest = _SHORTEST_IN_PRODUCTION if in_production else _SHORTEST_SECRET
    if len(value) < shortest:
        raise Unacceptable(f"Must have at least {shortest} characters.")
    if not in_production:
        return
    if len(set(value)) < _FEWEST_CHARACTERS:
        raise Unacceptable(f"Must have at least {_FEWEST_CHARACTERS} different characters.")
    if value.startswith(_UNSAFE_PREFIX):
        raise Unacceptable(f"Must not begin with {_UNSAFE_PREFIX}: that one is in somebody's repository.")


def store(address: StoreUrl, *, in_production: bool) -> None:
    """Accepts a store that other machines cannot simply use: with a password, by TLS, or on this machine."""
    if not in_production or address.password or address.scheme in _PRIVATE_SCHEMES:
        return
    if not all(_is_this_machine(host) for host, _ in address.nodes):
        raise Unacceptable(
            "A store on another machine needs a password (redis://:password@host), or TLS (rediss://): "
            "without either, whoever reaches it reads and writes all sessions."
        )


def database(engine: str, *, in_production: bool, sqlite_allowed: bool) -> None:
    """Accepts in production only a database server, unless a file is explicitly allowed."""
    if in_production and engine.endswith("sqlite3") and not sqlite_allowed:
        raise Unacceptable(
            "SQLite is one file of one machine, without backups of its own: name a PostgreSQL, "
            "or set SYNCKAIROS_ALLOW_SQLITE=1 to start all the same."
        )


def key_file(mode: int) -> str | None:
    """Return the fault in the mode of a file with private keys; None when it is safe."""
    if mode & _OTHERS:
        return "can be read or changed by every user of this machine: chmod o= it (0400 or 0440)"
    return None


def token(value: str) -> str | None:
    """Return a bearer token that is long enough not to be guessed; None for an empty one."""
    if not value:
        return None
    if len(value) < _SHORTEST_SECRET or not (value.isascii() and value.isprintable() and " " not in value):
        raise Unacceptable(f"Must have at least {_SHORTEST_SECRET} characters, ASCII and no spaces.")
    return value


def names_in(text: str) -> list[str]:
    """Return the names of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def is_one_secure_origin(origin: str) -> bool:
    """Return true for the HTTPS origin of pages of one host."""
    return origin.startswith("https://") and "://." not in origin and _is_origin(origin.lower())


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in {"http", "https"} | _APP_SCHEMES
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    plain = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    return known and bool(parts.hostname) and "*" not in origin and origin == plain
