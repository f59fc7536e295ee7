"""What a setting must be like to be safe; stricter in production. Each says what it wants, and nothing of a secret."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from marshmallow.exceptions import ValidationError as Unacceptable

_SHORTEST_SECRET = 32
_SHORTEST_IN_PRODUCTION = 50
_FEWEST_CHARACTERS = 10
_UNSAFE_PREFIX = "django-insecure-"
_APP_SCHEMES = frozenset({"capacitor", "ionic"})
_APP_ORIGIN = "http://localhost"
"""Where the web view of an Android app says that its pages are from."""


class Proxies(NamedTuple):
    """Peers that stand between us and the clients."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    unix_sockets: bool


def proxies(text: str, *, in_production: bool) -> Proxies:
    """Networks, and `unix`. In production there must be one, since a proxy ends TLS; and not the whole world."""
    names = names_in(text)
    try:
        networks = tuple(ip_network(name) for name in names if name != "unix")
    except ValueError as error:
        raise Unacceptable(f"Expected networks such as 10.0.0.0/8, or unix, separated by commas: {error}.") from error
    if in_production and not names:
        raise Unacceptable("Name the proxies that end TLS: without them no request counts as HTTPS.")
    if in_production and any(network.prefixlen == 0 for network in networks):
        raise Unacceptable("A network of all addresses would believe every client.")
    return Proxies(networks, "unix" in names)


def origins(text: str, *, in_production: bool) -> tuple[str, ...]:
    """Origins as browsers send them; in production only HTTPS, those of apps, and no `*`."""
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


def hosts(given: list[str], *, in_production: bool) -> list[str]:
    """Host names; in production each by name."""
    named = [host.strip() for host in given if host.strip()]
    if in_production and not named:
        raise Unacceptable("Must not be empty.")
    if in_production and any("*" in host for host in named):
        raise Unacceptable("Name the hosts: a wildcard takes any Host header.")
    return named


def secret(value: str, *, in_production: bool) -> None:
    """A secret long and mixed enough to sign with."""
    shortest = _SHORTEST_IN_PRODUCTION if in_production else _SHORTEST_SECRET
    if len(value) < shortest:
        raise Unacceptable(f"Must have at least {shortest} characters.")
    if not in_production:
        return
    if len(set(value)) < _FEWEST_CHARACTERS:
        raise Unacceptable(f"Must have at least {_FEWEST_CHARACTERS} different characters.")
    if value.startswith(_UNSAFE_PREFIX):
        raise Unacceptable(f"Must not begin with {_UNSAFE_PREFIX}: that one is in somebody's repository.")


def token(value: str) -> str | None:
    """A bearer token long enough not to be guessed; None for an empty one."""
    if not value:
        return None
    if len(value) < _SHORTEST_SECRET or not (value.isascii() and value.isprintable() and " " not in value):
        raise Unacceptable(f"Must have at least {_SHORTEST_SECRET} characters, ASCII and no spaces.")
    return value


def names_in(text: str) -> list[str]:
    """The names of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in {"http", "https"} | _APP_SCHEMES
    plain = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port is not None else "")
    return known and bool(parts.hostname) and "*" not in origin and origin == plain
