"""The limits at the doors in front of Django: an answer that counts, and says how the limits stand."""

from __future__ import annotations

from typing import Any

from sessions import limits
from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import addresses


class CountedSend:
    """An ASGI `send` whose answer begins with the standing of every limit that the request has met."""

    def __init__(self, scope: dict[str, Any], send: Any) -> None:
        self._scope = scope
        self._send = send
        self.tally = limits.Tally()

    async def take(self, claim: limits.Claim) -> None:
        """Count one. Raises RateLimitExceeded."""
        await self.tally.atake(claim)

    async def judged(self, error: ApiError) -> ApiError:
        """The error to answer with: a stranger who comes too often hears of that instead."""
        if isinstance(error, Unauthenticated):
            try:
                await self.take(limits.stranger(addresses.of_scope(self._scope)))
            except RateLimitExceeded as exceeded:
                return exceeded
        return error

    async def __call__(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            fields = [(name.lower().encode(), value.encode()) for name, value in self.tally.headers().items()]
            event["headers"] = [*event["headers"], *fields]
        await self._send(event)
