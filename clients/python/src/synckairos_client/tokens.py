"""Credentials that are renewed: a provider is called for a new token before the old one expires."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable

import httpx

TokenProvider = Callable[[], Awaitable[str]]
"""Async function that returns a valid token. TRANSIENT_ERRORS are retried; any other error ends the screen."""
TRANSIENT_ERRORS = (OSError, TimeoutError, httpx.HTTPError)

_RENEW_BEFORE_S = 60.0
_RENEW_BEFORE_SHARE = 0.1


class TokenSource:
    """The current token, and the provider of the next one."""

    def __init__(self, source: str | TokenProvider) -> None:
        self._token = source if isinstance(source, str) else None
        self._provider = None if isinstance(source, str) else source
        self._renewing = asyncio.Lock()
        self._renew_at_s: float | None = None

    @property
    def can_renew(self) -> bool:
        """Return true if there is a provider."""
        return self._provider is not None

    async def current(self, now_s: float) -> str:
        """Return the token, renewed if it is about to expire; `now_s` in Unix seconds, on the server's clock."""
        if self._token is None or self.renewal_in_s(now_s) == 0:
            return await self.renew(now_s)
        return self._token

    async def renew(self, now_s: float) -> str:
        """Return another token if there is a provider, otherwise the current one."""
        if self._provider is not None:
            async with self._renewing:
                self._token = await self._provider()
                self._renew_at_s = _renew_at_s(self._token, now_s)
        if self._token is None:
            raise TypeError("neither a token nor a provider of tokens")
        return self._token

    def discard(self) -> None:
        """Discard the token, which the server does not accept any more."""
        if self._provider is not None:
            self._token = None

    def renewal_in_s(self, now_s: float) -> float | None:
        """Return the seconds until the renewal: 0 for now, None if it is unknown."""
        return None if self._renew_at_s is None else max(0.0, self._renew_at_s - now_s)


def _renew_at_s(token: str, now_s: float) -> float | None:
    """Return an instant one minute before the end, or a tenth of the lifetime if that is less; None if the token has no
    end.

    The token is read without verification, which is the task of the server.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ends_s = float(claims["exp"])
        lifetime_s = ends_s - float(claims.get("iat", now_s))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return ends_s - min(_RENEW_BEFORE_S, max(0.0, lifetime_s) * _RENEW_BEFORE_SHARE)
