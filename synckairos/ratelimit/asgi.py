"""The limits at the doors in front of Django: an answer that counts, and says how the limits stand."""

from __future__ import annotations

from typing import Any

from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import client_address
from synckairos.ratelimit import limits


async def limit_unauthenticated(error: ApiError, scope: dict[str, Any], limiter: limits.RateLimiter) -> ApiError:
    """The error to answer with: a stranger who comes too often hears of that instead."""
    if isinstance(error, Unauthenticated):
        try:
            await limiter.aconsume(limits.unauthenticated(client_address.of_scope(scope)))
        except RateLimitExceeded as exceeded:
            return exceeded
    return error


def header_fields(limiter: limits.RateLimiter) -> list[tuple[bytes, bytes]]:
    """The standing of every limit that a request has met, as an answer tells it."""
    return [(name.lower().encode(), value.encode()) for name, value in limiter.header_fields().items()]


class RateLimitedSend:
    """An ASGI `send` whose answer begins with the standing of every limit that the request has met."""

    def __init__(self, scope: dict[str, Any], send: Any) -> None:
        self._scope = scope
        self._send = send
        self.limiter = limits.RateLimiter()

    async def consume(self, bucket: limits.Bucket) -> None:
        """Count one. Raises RateLimitExceeded."""
        await self.limiter.aconsume(bucket)

    async def charge(self, bucket: limits.Bucket, cost: int) -> None:
        """Count what the request has turned out to cost."""
        await self.limiter.acharge(bucket, cost)

    async def limit_unauthenticated(self, error: ApiError) -> ApiError:
        """The error to answer with: a stranger who comes too often hears of that instead."""
        return await limit_unauthenticated(error, self._scope, self.limiter)

    async def __call__(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event["headers"], *header_fields(self.limiter)]
        await self._send(event)
