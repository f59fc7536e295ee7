"""Which other origins' pages may read our answers: those that are listed, at every HTTP door but the admin."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from msgspec import json
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from synckairos.errors import Forbidden
from synckairos.http.asgi import Application, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUEST_FIELDS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-Request-ID"),
    "Cache-Control",  # some browsers' event streams ask for it
)
ANSWER_FIELDS = ("ETag", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "X-Request-ID")
_MAX_AGE_S = 7_200
"""The longest that all browsers remember a preflight."""
_PAGES = ("/admin", "/static/")
"""What works with cookies or is no API."""


class Cors:
    """Wraps the HTTP application. No cookies cross an origin: our credentials are tokens."""

    def __init__(self, inner: Application, origins: Collection[str]) -> None:
        self.inner = inner
        self.shared = cast("Application", _Shared(cast("Any", inner), origins)) if origins else inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.inner if scope["path"].startswith(_PAGES) else self.shared
        await application(scope, receive, send)


class _Shared(CORSMiddleware):
    """Starlette's, whose refusals look like ours."""

    def __init__(self, app: Any, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_FIELDS,
            expose_headers=ANSWER_FIELDS,
            max_age=_MAX_AGE_S,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204, or 403 saying what may not be: the origin, the method, a header."""
        judged = super().preflight_response(request_headers)
        kept = {name: value for name, value in judged.headers.items() if not name.startswith("content-")}
        if judged.status_code == 200:  # noqa: PLR2004 - OK
            return Response(status_code=204, headers=kept)
        error = Forbidden(bytes(judged.body).decode()).body()
        return Response(json.encode({"error": error}), 403, kept, "application/json")
