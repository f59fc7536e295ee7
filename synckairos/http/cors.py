"""CORS: pages of the listed origins may read responses of the API, but not those of the admin.

In development, pages of this machine need no entry, since their servers use changing ports.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

from msgspec import json
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from synckairos.errors import Forbidden
from synckairos.http.asgi import Application, Event, Receive, Scope, Send, header

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUEST_FIELDS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-Request-ID"),
    "Cache-Control",  # some browsers' event streams ask for it
)
ANSWER_FIELDS = ("ETag", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "X-Request-ID")
_HINT = "origins are listed in SYNCKAIROS_CORS_ORIGINS, methods and headers that pages may use in docs/protocol.md"
_MAX_AGE_S = 7_200
"""Longest time for which all browsers cache a preflight."""
LOCAL_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
_PAGES = ("/admin", "/static/")
"""Paths that use cookies or are not part of the API."""


class Cors:
    """Adds CORS headers to the HTTP application that it wraps, without cookies: credentials are tokens."""

    def __init__(self, inner: Application, origins: Collection[str], *, allow_local_pages: bool) -> None:
        self.inner = inner
        self._middleware = _CorsMiddleware(cast("Any", inner), origins, LOCAL_ORIGIN if allow_local_pages else None)
        self._allows_any_origin = allow_local_pages or bool(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["path"].startswith(_PAGES)
        # A preflight is answered even if no origin is allowed: it has no credentials that the API could check.
        if not is_page and (self._allows_any_origin or is_preflight(scope)):
            await self._middleware(scope, receive, send)
        else:
            await self.inner(scope, receive, send)

    def header_lines(self, origin: str | None) -> bytes:
        """Return the CORS header lines of a response to a page of this origin, as bytes on the wire."""
        return self._middleware.header_lines(origin) if self._allows_any_origin else b""


def is_preflight(scope: Scope) -> bool:
    """Return true for a CORS preflight request."""
    asked = scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method") is not None
    return asked and header(scope, b"origin") is not None


class _CorsMiddleware(CORSMiddleware):
    """Starlette's middleware, with refusals in the API's format."""

    def __init__(self, app: Any, origins: Collection[str], pattern: str | None) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_origin_regex=pattern,
            allow_methods=METHODS,
            allow_headers=REQUEST_FIELDS,
            expose_headers=ANSWER_FIELDS,
            max_age=_MAX_AGE_S,
        )

        self.header_lines = lru_cache(maxsize=256)(self._header_lines)

    def _header_lines(self, origin: str | None) -> bytes:
        async def ignore(_event: Event) -> None:
            """Discard the event: only its headers are used."""

        start: Any = {"type": "http.response.start", "headers": []}
        given = self.send(start, ignore, Headers({} if origin is None else {"origin": origin}))
        with suppress(StopIteration):
            given.send(None)  # the coroutine never suspends
        return b"".join(b"%s: %s\r\n" % field for field in start["headers"])

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return 204, or 403 that names what is not allowed: the origin, the method or a header."""
        judged = super().preflight_response(request_headers)
        kept = {name: value for name, value in judged.headers.items() if not name.startswith("content-")}
        if judged.status_code == 200:  # noqa: PLR2004 - OK
            return Response(status_code=204, headers=kept)
        error = Forbidden(f"{bytes(judged.body).decode()}: {_HINT}").body()
        return Response(json.encode({"error": error}), 403, kept, "application/json")


MAX_ORIGIN_BYTES = 300
"""A scheme, the longest host name and a port."""


def parse_origin(field: bytes) -> str:
    """Return the origin of a page. Raises ValueError for one that is too long: heads of answers are cached by it."""
    if len(field) > MAX_ORIGIN_BYTES:
        raise ValueError
    return field.decode("latin-1")
