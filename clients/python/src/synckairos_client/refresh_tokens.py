"""A token provider for a login with a password: it exchanges the refresh token, and never uses one twice."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx

from synckairos_client.errors import ApiError

_RETRIED_STATUSES = {429, 500, 502, 503, 504}


class RefreshTokens:
    """A token provider, to be shared by every `Api` and `connect` of a login.

    A used refresh token that is sent again ends the whole login. So one exchange runs at a time, concurrent calls share
    its result, and an exchange whose answer was lost is repeated with the same `Idempotency-Key`.
    """

    def __init__(
        self,
        base_url: str,
        refresh: str,
        *,
        request_timeout_s: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.refresh = refresh
        """The current refresh token: store it for the next run of your program."""
        self._options = {"base_url": base_url, "timeout": request_timeout_s, "transport": transport}
        self._key = str(uuid4())
        self._access: str | None = None
        self._exchanging = asyncio.Lock()

    async def __call__(self) -> str:
        """Return an access token. Raises ApiError when the login has ended, and httpx.TransportError for a temporary
        fault."""
        known = self._access
        async with self._exchanging:
            if self._access is None or self._access is known:
                self._access = await self._exchange()
            return self._access

    async def _exchange(self) -> str:
        async with httpx.AsyncClient(**self._options) as http:  # type: ignore[arg-type]
            answer = await http.post(
                "/v1/token/refresh", json={"refresh": self.refresh}, headers={"Idempotency-Key": self._key}
            )
        if answer.status_code in _RETRIED_STATUSES:
            raise httpx.TransportError(f"no fresh token now: {answer.status_code}")
        if not answer.is_success:
            raise ApiError("UNAUTHENTICATED", "the login is over", status=answer.status_code)
        pair = answer.json()
        self.refresh, self._key = str(pair["refresh"]), str(uuid4())
        return str(pair["access"])
