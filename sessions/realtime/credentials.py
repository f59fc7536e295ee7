"""Where a socket's credentials may stand, best first: header, sub-protocol, address."""

from __future__ import annotations

from typing import Any

from synckairos.principal import bearer_token

PROTOCOL = "synckairos.v2"
_BEARER = "bearer."


def token_of(scope: dict[str, Any], query: dict[str, list[str]]) -> str | None:
    """The bearer token of a handshake; None without one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bearer_token(value.decode("latin-1"))
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_BEARER):
            token: str = protocol.removeprefix(_BEARER)
            return token
    return next(iter(query.get("token", ())), None)
