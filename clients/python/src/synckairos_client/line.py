"""One connection after the other to one address, until there is nothing to come back to."""

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
from synckairos_client.closing import DELETED, Closing, Verdict
from synckairos_client.errors import ApiError, Refused, Unreachable
from synckairos_client.retries import Backoff
from synckairos_client.tokens import TROUBLE, Tokens

log = logging.getLogger("synckairos_client")
_socket_log = logging.getLogger("synckairos_client.socket")
_socket_log.setLevel(logging.INFO)  # at DEBUG it would write handshakes and frames, and tokens with them

STEADY_S = 10.0
"""A connection that lasted this long was well; the next trouble begins with short waits again."""
_OPEN_WITHIN_S = 10.0
_CLOSE_WITHIN_S = 2.0
_MAX_FRAME_BYTES = 16 << 20
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_FOR_REST = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_NOT_SOLD = {400, 401, 403, 404}
_NOT_AUTHENTICATED = 4501
_BROKEN = 1006

Credentials = Literal["header", "subprotocol", "ticket"]
Serve = Callable[[ClientConnection], Awaitable[bool]]
"""Uses a connection until it ends; tells whether the session has ended with it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the sockets of a session are."""

    url: str
    credentials: Credentials
    session_id: str
    rest_url: str
    """The same server's base address for REST, where tickets are sold."""

    @classmethod
    def of(cls, base_url: str, session_id: str | UUID, heartbeat_s: float | None, credentials: Credentials) -> Address:
        """From the server's base address. Raises ValueError for one that is none."""
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
            urlunsplit((_FOR_REST[scheme], host, path, "", "")),
        )

    async def ticket(self, tokens: Tokens) -> str:
        """A ticket for one connection. Raises Refused when none is sold to us, ApiError or Unreachable otherwise."""
        try:
            async with Api(self.rest_url, tokens, deadline_s=_OPEN_WITHIN_S) as api:
                ticket: str = (await api.ticket(self.session_id))["ticket"]
        except ApiError as error:
            if error.status in _NOT_SOLD:
                raise Refused(error.status, error.code) from None
            raise
        return ticket

    def connect(self, credential: str) -> connect:
        """A connection about to be made, with a token or a ticket. Its own pings are off: ours measure something."""
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
            open_timeout=_OPEN_WITHIN_S,
            close_timeout=_CLOSE_WITHIN_S,
            ping_interval=None,
            max_size=_MAX_FRAME_BYTES,
            logger=_socket_log,
        )


class Line:
    """The comings and goings of one screen."""

    def __init__(self, address: Address, tokens: Tokens, backoff: Backoff, server_now_s: Callable[[], float]) -> None:
        self._address = address
        self._tokens = tokens
        self._backoff = backoff
        self._server_now_s = server_now_s
        self.trouble: Exception | None = None
        """Why the last try to connect failed."""

    async def run(self, serve: Serve) -> None:
        """Serve connection after connection until the session ends. Raises Refused, and what a provider raises."""
        while True:
            closing = await self._once(serve)
            match closing.verdict:
                case Verdict.DELETED:
                    return
                case Verdict.REFUSED if not self._was_ticket(closing):
                    raise Refused(closing.code, closing.reason)
                case Verdict.FRESH_TOKEN:
                    if not self._tokens.can_renew:
                        raise Refused(closing.code, closing.reason)
                    self._tokens.forget()
            wait_s = self._wait_s(closing)
            log.debug("closed with %s %s; back in %.2f s", closing.code, closing.reason, wait_s)
            await asyncio.sleep(wait_s)

    def _was_ticket(self, closing: Closing) -> bool:
        """Whether the ticket was no good, late perhaps; whether the token is, will be said when the next is bought."""
        return self._address.credentials == "ticket" and closing.code == _NOT_AUTHENTICATED

    def _wait_s(self, closing: Closing) -> float:
        """The server's wish counts once: if it is not served then, it does not know better than we do."""
        own_s = self._backoff.next_s()
        return own_s if closing.retry_s is None or self._backoff.tries > 1 else self._backoff.soon_s(closing.retry_s)

    async def _credential(self) -> str:
        if self._address.credentials == "ticket":
            return await self._address.ticket(self._tokens)
        return await self._tokens.current(self._server_now_s())

    async def _once(self, serve: Serve) -> Closing:
        """One connection, or one try."""
        try:
            socket = await self._address.connect(await self._credential())
        except InvalidStatus as refused:
            self.trouble = refused
            return Closing(refused.response.status_code, refused.response.reason_phrase)
        except (InvalidHandshake, ApiError, Unreachable, *TROUBLE) as trouble:
            self.trouble = trouble
            return Closing(_BROKEN, str(trouble))
        began_s = asyncio.get_running_loop().time()
        try:
            is_over = await serve(socket)
        finally:
            await socket.close()
        if asyncio.get_running_loop().time() - began_s >= STEADY_S:
            self._backoff.reset()
        return DELETED if is_over else Closing(socket.close_code or _BROKEN, socket.close_reason or "")
