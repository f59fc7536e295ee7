"""Security headers of every HTTP response: they forbid browsers to guess types, to frame pages, to cache, and more."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from django.conf import settings

from synckairos import ids
from synckairos.errors import ApiError
from synckairos.http import error_responses
from synckairos.http.asgi import Application, Event, Receive, Scope, Send
from synckairos.http.request_log import REQUEST_ID_HEADER

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # Django checks the origin of the admin's forms by it
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),  # apps of other origins read by CORS, which this leaves alone
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Inline styles are allowed, since the API docs use them and a style cannot steal a token; inline scripts are not."""


_STATE_HEADERS, _JSON_HEADERS = (
    (*ALWAYS, (b"content-security-policy", DATA_POLICY), (b"cache-control", cache_control))
    for cache_control in (b"private, no-cache", b"no-store")
)


class SecurityHeaders:
    """Adds the security headers to each response of the HTTP application that it wraps."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(event: Event) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = _with_security_headers(scope, event["headers"])
            await send(event)

        await self.inner(scope, receive, answer)


class HttpsRedirect:
    """Routes plain HTTP to Django when SECURE_SSL_REDIRECT is set, since Django redirects it to HTTPS.

    All other requests go to the endpoints in front of Django.
    """

    def __init__(self, over_https: Application, over_http: Application) -> None:
        self.over_https = over_https
        self.over_http = over_http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_plain = settings.SECURE_SSL_REDIRECT and scope.get("scheme") != "https"
        await (self.over_http if is_plain else self.over_https)(scope, receive, send)


def _with_security_headers(scope: Scope, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers with the security headers, which replace those of the same name."""
    # An endpoint in front of Django sets none of them.
    if error_responses.JSON in given and scope.get("scheme") != "https":
        names = {name for name, _ in given}
        if b"cache-control" not in names:
            return [*given, *(_STATE_HEADERS if b"etag" in names else _JSON_HEADERS)]
    known = {name.lower(): value for name, value in given}
    is_page = known.get(b"content-type", b"").startswith(b"text/html")
    ours = [*ALWAYS, (b"content-security-policy", PAGE_POLICY if is_page else DATA_POLICY)]
    if b"cache-control" not in known:  # private caches may store a state with an entity tag, and revalidate it
        ours.append((b"cache-control", b"private, no-cache" if b"etag" in known else b"no-store"))
    if scope.get("scheme") == "https" and settings.SECURE_HSTS_SECONDS:
        ours.append((b"strict-transport-security", _hsts().encode()))
    names = {name for name, _ in ours}
    return [*((name, value) for name, value in given if name.lower() not in names), *ours]


def _hsts() -> str:
    """Return the value of Strict-Transport-Security by the settings."""
    directives = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        directives.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        directives.append("preload")
    return "; ".join(directives)


@lru_cache(maxsize=8)
def json_header_lines(scheme: str, hsts_seconds: int, is_state: bool) -> bytes:
    """Return the header lines of a JSON response, a state or an error, as bytes on the wire."""
    del hsts_seconds  # a part of the cache key only: it is read from the settings
    fields = _with_security_headers({"scheme": scheme}, [error_responses.JSON, *([(b"etag", b"")] if is_state else [])])
    return b"".join(b"%s: %s\r\n" % field for field in fields if field[0] != b"etag")


def raw_error_response(error: ApiError) -> bytes:
    """Return the documented response to an error as bytes on the wire, where no ASGI application answers."""
    error_fields, body = error_responses.error_response(error)
    ending = [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    fields = [*error_fields, *_JSON_HEADERS, (REQUEST_ID_HEADER, ids.new_request_id().encode()), *ending]
    head = b"HTTP/1.1 %d %s\r\n" % (error.http_status, HTTPStatus(error.http_status).phrase.encode())
    return head + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + body
