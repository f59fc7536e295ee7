"""Connections to one address, one after the other, until the session has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from synckairos_client.api import Api
from synckairos_client.backoff import Backoff
from synckairos_client.close_codes import DELETED, CloseAction, CloseReason
from synckairos_client.errors import ApiError, Refused, Unreachable
from synckairos_client.tokens import TRANSIENT_ERRORS, TokenSource

log = logging.getLogger("synckairos_client")
_socket_log = logging.getLogger("synckairos_client.socket")
_socket_log.setLevel(logging.INFO)  # at DEBUG it would write handshakes and frames, and tokens with them

STABLE_AFTER_S = 10.0
"""Duration after which a connection counts as stable, and the next waits are short again."""
_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_MAX_FRAME_BYTES = 16 << 20
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_REST_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_TICKET_REFUSED = {400, 401, 403, 404}
_NOT_AUTHENTICATED = 4501
_BROKEN = 1006

Credentials = Literal["header", "subprotocol", "ticket"]
Serve = Callable[[ClientConnection], Awaitable[bool]]
"""Function that uses a connection until it ends, and returns true if the session has ended."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of the sockets of a session."""

    url: str
    credentials: Credentials
    session_id: str
    rest_url: str
    """The REST address of the same server, which issues tickets."""

    @classmethod
    def of(cls, base_url: str, session_id: str | UUID, heartbeat_s: float | None, credentials: Credentials) -> Endpoint:
        """Make it of the base address of the server. Raises ValueError for a text that is no base address."""
        scheme, host, path, _, _ = urlsplit(base_url)
        if scheme not in _SCHEMES or not host:
            raise ValueError(f"not a base address: {base_url!r}")
        query = {"sessionId": str(session_id)}
        if heartbeat_s is not None:
            query["heartbeat"] = f"{heartbeat_s:g}"
        return cls(
            urlunsplit((_SCHEMES[scheme], host, f"{path.rstrip('/')}/ws", urlencode(query), "")),
            credentials,
            str(session_id),
            urlunsplit((_REST_SCHEMES[scheme], host, path, "", "")),
        )

    async def ticket(self, tokens: TokenSource) -> str:
        """Return a ticket for one connection. Raises Refused if the server issues none, otherwise ApiError or
        Unreachable."""
        try:
            async with Api(self.rest_url, tokens, deadline_s=_OPEN_TIMEOUT_S) as api:
                ticket: str = (await api.ticket(self.session_id))["ticket"]
        except ApiError as error:
            if error.status in _TICKET_REFUSED:
                raise Refused(error.status, error.code) from None
            raise
        return ticket

    def connect(self, credential: str) -> connect:
        """Return a connection to be opened, with a token or a ticket. Pings of the library are off: the client's own
        ones measure the clock."""
        url, headers, protocols = self.url, None, None
        match self.credentials:
            case "header":
                headers = {"Authorization": f"Bearer {credential}"}
            case "subprotocol":
                protocols = [Subprotocol("synckairos.v2"), Subprotocol(f"bearer.{credential}")]
            case "ticket":
                url += f"&ticket={credential}"
        return connect(
            url,
            additional_headers=headers,
            subprotocols=protocols,
            compression=None,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=None,
            max_size=_MAX_FRAME_BYTES,
            logger=_socket_log,
        )


class ConnectionLoop:
    """Opens the connections of one screen."""

    def __init__(
        self, address: Endpoint, tokens: TokenSource, backoff: Backoff, server_now_s: Callable[[], float]
    ) -> None:
        self._endpoint = address
        self._tokens = tokens
        self._backoff = backoff
        self._server_now_s = server_now_s
        self.last_error: Exception | None = None
        """The error of the last attempt to connect."""

    async def run(self, serve: Serve) -> None:
        """Open and serve connections until the session ends. Raises Refused, and the errors of a token provider."""
        while True:
            closed = await self._connect_once(serve)
            match closed.action:
                case CloseAction.DELETED:
                    return
                case CloseAction.REFUSED if not self._is_ticket_rejection(closed):
                    raise Refused(closed.code, closed.reason)
                case CloseAction.RENEW_TOKEN:
                    if not self._tokens.can_renew:
                        raise Refused(closed.code, closed.reason)
                    self._tokens.discard()
            wait_s = self._wait_s(closed)
            log.debug("closed with %s %s; back in %.2f s", closed.code, closed.reason, wait_s)
            await asyncio.sleep(wait_s)

    def _is_ticket_rejection(self, closed: CloseReason) -> bool:
        """Return true for a ticket that was not accepted, for example because it was late; the next request for a
        ticket shows whether the token is accepted."""
        return self._endpoint.credentials == "ticket" and closed.code == _NOT_AUTHENTICATED

    def _wait_s(self, closed: CloseReason) -> float:
        """Return the wait before the next attempt: the server's hint for the first one, then the backoff."""
        own_s = self._backoff.next_s()
        return (
            own_s if closed.retry_s is None or self._backoff.tries > 1 else self._backoff.with_jitter_s(closed.retry_s)
        )

    async def _credential(self) -> str:
        if self._endpoint.credentials == "ticket":
            return await self._endpoint.ticket(self._tokens)
        return await self._tokens.current(self._server_now_s())

    async def _connect_once(self, serve: Serve) -> CloseReason:
        """Open and serve one connection, and return the reason of its end."""
        try:
            socket = await self._endpoint.connect(await self._credential())
        except InvalidStatus as refused:
            self.last_error = refused
            return CloseReason(refused.response.status_code, refused.response.reason_phrase)
        except (InvalidHandshake, ApiError, Unreachable, *TRANSIENT_ERRORS) as error:
            self.last_error = error
            return CloseReason(_BROKEN, str(error))
        began_s = asyncio.get_running_loop().time()
        try:
            is_over = await serve(socket)
        finally:
            await socket.close()
        if asyncio.get_running_loop().time() - began_s >= STABLE_AFTER_S:
            self._backoff.reset()
        return DELETED if is_over else CloseReason(socket.close_code or _BROKEN, socket.close_reason or "")
