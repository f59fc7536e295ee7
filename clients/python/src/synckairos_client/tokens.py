"""Credentials that do not run out: a provider is asked for a fresh token when the last one is about to end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable

import httpx

TokenProvider = Callable[[], Awaitable[str]]
"""Gives a token that is good now. What it raises of `TROUBLE` is tried again; anything else ends the screen."""
TROUBLE = (OSError, TimeoutError, httpx.HTTPError)

_AHEAD_S = 60.0
_AHEAD_SHARE = 0.1


class Tokens:
    """The token in use, and where to get another."""

    def __init__(self, source: str | TokenProvider) -> None:
        self._token = source if isinstance(source, str) else None
        self._provider = None if isinstance(source, str) else source
        self._asking = asyncio.Lock()
        self._renew_at_s: float | None = None

    @property
    def can_renew(self) -> bool:
        """Whether there is a provider."""
        return self._provider is not None

    async def current(self, now_s: float) -> str:
        """The last token, or a fresh one if that is about to end; `now_s` in Unix seconds, on the server's clock."""
        if self._token is None or self.renewal_in_s(now_s) == 0:
            return await self.fresh(now_s)
        return self._token

    async def fresh(self, now_s: float) -> str:
        """Another token, if there is a provider; else the one that there is."""
        if self._provider is not None:
            async with self._asking:
                self._token = await self._provider()
                self._renew_at_s = _renew_at_s(self._token, now_s)
        if self._token is None:
            raise TypeError("neither a token nor a provider of tokens")
        return self._token

    def forget(self) -> None:
        """The server does not take this one any more."""
        if self._provider is not None:
            self._token = None

    def renewal_in_s(self, now_s: float) -> float | None:
        """When to renew: 0 for now, None when that is not for us to know."""
        return None if self._renew_at_s is None else max(0.0, self._renew_at_s - now_s)


def _renew_at_s(token: str, now_s: float) -> float | None:
    """A minute before the end, or a tenth of the lifetime if that is less; None for a token that does not tell.

    The token is read, not verified: that is the server's business.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ends_s = float(claims["exp"])
        lifetime_s = ends_s - float(claims.get("iat", now_s))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return ends_s - min(_AHEAD_S, max(0.0, lifetime_s) * _AHEAD_SHARE)
