"""What every answer tells a browser not to do: guess types, frame, refer, keep. One place for every HTTP door."""

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
    (b"referrer-policy", b"same-origin"),  # the admin's forms are checked by it
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),  # apps of other origins read by CORS, which this leaves alone
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Styles may stand in a page (the API docs' do, and style attributes cannot steal a token); scripts may not."""


_STATE_HEADERS, _JSON_HEADERS = (
    (*ALWAYS, (b"content-security-policy", DATA_POLICY), (b"cache-control", cache_control))
    for cache_control in (b"private, no-cache", b"no-store")
)


class SecurityHeaders:
    """Wraps the HTTP application."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(event: Event) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = _with_security_headers(scope, event["headers"])
            await send(event)

        await self.inner(scope, receive, answer)


class HttpsRedirect:
    """Doors in front of Django, which sends plain HTTP to HTTPS where that is asked for: there it takes their place."""

    def __init__(self, over_https: Application, over_http: Application) -> None:
        self.over_https = over_https
        self.over_http = over_http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_plain = settings.SECURE_SSL_REDIRECT and scope.get("scheme") != "https"
        await (self.over_http if is_plain else self.over_https)(scope, receive, send)


def _with_security_headers(scope: Scope, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with ours, which replace Django's own of the same name."""
    if (
        error_responses.JSON in given and scope.get("scheme") != "https"
    ):  # of a door in front of Django, with none of these
        names = {name for name, _ in given}
        if b"cache-control" not in names:
            return [*given, *(_STATE_HEADERS if b"etag" in names else _JSON_HEADERS)]
    known = {name.lower(): value for name, value in given}
    ours = [*ALWAYS, (b"content-security-policy", _content_security_policy(known))]
    if b"cache-control" not in known:
        ours.append((b"cache-control", _cache_control(known)))
    if scope.get("scheme") == "https" and settings.SECURE_HSTS_SECONDS:
        ours.append((b"strict-transport-security", _hsts().encode()))
    names = {name for name, _ in ours}
    return [*((name, value) for name, value in given if name.lower() not in names), *ours]


def _hsts() -> str:
    """For how long browsers shall not come by plain HTTP, and to which hosts."""
    directives = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        directives.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        directives.append("preload")
    return "; ".join(directives)


@lru_cache(maxsize=8)
def json_header_lines(scheme: str, hsts_seconds: int, is_state: bool) -> bytes:
    """Return the header lines of a JSON answer, a state or an error, with the same protection, as they are sent."""
    del hsts_seconds  # a part of the cache key only: it is read from the settings
    fields = _with_security_headers({"scheme": scheme}, [error_responses.JSON, *([(b"etag", b"")] if is_state else [])])
    return b"".join(b"%s: %s\r\n" % field for field in fields if field[0] != b"etag")


def raw_error_response(error: ApiError) -> bytes:
    """The documented answer to an error as it goes over the wire, where no application can give it."""
    told, body = error_responses.error_response(error)
    ending = [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    fields = [*told, *_JSON_HEADERS, (REQUEST_ID_HEADER, ids.new_request_id().encode()), *ending]
    head = b"HTTP/1.1 %d %s\r\n" % (error.http_status, HTTPStatus(error.http_status).phrase.encode())
    return head + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + body


def _content_security_policy(known: dict[bytes, bytes]) -> bytes:
    return PAGE_POLICY if known.get(b"content-type", b"").startswith(b"text/html") else DATA_POLICY


def _cache_control(known: dict[bytes, bytes]) -> bytes:
    """A state with a version may be kept by its client, which asks again each time; nothing else may be kept."""
    return b"private, no-cache" if b"etag" in known else b"no-store"
