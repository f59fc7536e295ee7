"""Rate limits for ASGI applications in front of Django: counting, and header fields of the response."""

from __future__ import annotations

from typing import Any

from synckairos.errors import ApiError, RateLimitExceeded, Unauthenticated
from synckairos.http import client_address
from synckairos.ratelimit import limits


async def limit_unauthenticated(error: ApiError, scope: dict[str, Any], limiter: limits.RateLimiter) -> ApiError:
    """Return the error to answer with, after counting a request without valid credentials: RateLimitExceeded or
    `error`."""
    if isinstance(error, Unauthenticated):
        try:
            await limiter.aconsume(limits.unauthenticated(client_address.of_scope(scope)))
        except RateLimitExceeded as exceeded:
            return exceeded
    return error


class RateLimitedSend:
    """An ASGI `send` that adds to the response the fields of all limits that `limiter` has counted."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.limiter = limits.RateLimiter()

    async def __call__(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            fields = self.limiter.header_fields().items()
            event["headers"] = [*event["headers"], *((name.lower().encode(), text.encode()) for name, text in fields)]
        await self._send(event)
