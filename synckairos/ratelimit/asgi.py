"""The limits at the doors in front of Django: an answer that counts, and says how the limits stand."""

from __future__ import annotations

from typing import Any

from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import client_address
from synckairos.ratelimit import limits


async def judged(error: ApiError, scope: dict[str, Any], tally: limits.Tally) -> ApiError:
    """The error to answer with: a stranger who comes too often hears of that instead."""
    if isinstance(error, Unauthenticated):
        try:
            await tally.atake(limits.stranger(client_address.of_scope(scope)))
        except RateLimitExceeded as exceeded:
            return exceeded
    return error


def fields_of(tally: limits.Tally) -> list[tuple[bytes, bytes]]:
    """The standing of every limit that a request has met, as an answer tells it."""
    return [(name.lower().encode(), value.encode()) for name, value in tally.headers().items()]


class CountedSend:
    """An ASGI `send` whose answer begins with the standing of every limit that the request has met."""

    def __init__(self, scope: dict[str, Any], send: Any) -> None:
        self._scope = scope
        self._send = send
        self.tally = limits.Tally()

    async def take(self, claim: limits.Claim) -> None:
        """Count one. Raises RateLimitExceeded."""
        await self.tally.atake(claim)

    async def owe(self, claim: limits.Claim, cost: int) -> None:
        """Count what the request has turned out to cost."""
        await self.tally.aowe(claim, cost)

    async def judged(self, error: ApiError) -> ApiError:
        """The error to answer with: a stranger who comes too often hears of that instead."""
        return await judged(error, self._scope, self.tally)

    async def __call__(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event["headers"], *fields_of(self.tally)]
        await self._send(event)
