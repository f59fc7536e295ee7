"""Credentials of a socket or event stream, by precedence: header, ticket, sub-protocol, token in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.services import one_time_tickets
from synckairos.auth.principal import Principal, authenticate, bearer_token
from synckairos.http.asgi import headers
from synckairos.keyed_hash import log_name
from synckairos.redis.procedures import run_async
from synckairos.telemetry import log_context

PROTOCOL = "synckairos.v2"
_BEARER = "bearer."


class Credentials(Struct, frozen=True):
    """The first credentials found: a bearer token, a one-time ticket, or neither. Others are not tried."""

    token: str | None = None
    ticket: str | None = None

    async def principal(self, session_id: UUID) -> Principal:
        """Return the authenticated caller, and redeem a ticket. Raises Unauthenticated, ServiceUnavailable."""
        if self.ticket is not None:
            principal = await run_async(one_time_tickets.redeem(self.ticket, session_id))
        else:
            principal = authenticate(self.token or "")
        log_context.bind(principal=log_name(principal.subject))
        return principal


def credentials_of(scope: dict[str, Any], query: Mapping[str, str]) -> Credentials:
    """The credentials of a handshake or request. A repeated header is invalid."""
    given = headers(scope, b"authorization")
    if given:
        return Credentials(token=bearer_token(", ".join(given)))
    if "ticket" in query:
        return Credentials(ticket=query["ticket"])
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_BEARER):
            return Credentials(token=protocol.removeprefix(_BEARER))
    return Credentials(token=query.get("token"))
