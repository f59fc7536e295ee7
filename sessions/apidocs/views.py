"""Documents that are equal for all clients: rendered once in each process, and cached.

They do not depend on the request (parameters, `Accept`, `Host`), so no client can cause another rendering. Cached
documents are sent from the event loop (`CachedDocuments`): Django's middleware uses several threads for each request,
which delay the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from msgspec import Struct

from sessions.preconditions import matches
from synckairos.http import error_responses
from synckairos.http.asgi import Application, Receive, Scope, Send, header
from synckairos.http.django_views import read_only
from synckairos.telemetry import log_context

RenderedBody = tuple[bytes, str]
"""A document's body, and its media type."""
_HTML, _JAVASCRIPT = "text/html; charset=utf-8", "application/javascript; charset=utf-8"
_CACHE_CONTROL = "no-cache"
"""Browsers and proxies may cache a document, and revalidate it for each use."""


class _CachedBody(Struct, frozen=True):
    body: bytes
    media_type: str
    tag: str


class CachedDocument:
    """A document that is rendered for the first request and then cached."""

    def __init__(self, make: Callable[[], RenderedBody]) -> None:
        self._make = make
        self._lock = Lock()
        self.cached: _CachedBody | None = None
        """The rendered document; None before the first request."""

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the response with the document, or 304 for a client that has it."""
        cached = self.cached or self._render()
        if matches(request.headers.get("If-None-Match"), cached.tag):
            answer = HttpResponse(status=304)
        else:
            answer = HttpResponse(cached.body, content_type=cached.media_type)
        answer["ETag"] = cached.tag
        answer["Cache-Control"] = _CACHE_CONTROL
        return answer

    def _render(self) -> _CachedBody:
        """Render the document in one thread; other threads wait for it."""
        with self._lock:
            if self.cached is None:
                body, media_type = self._make()
                self.cached = _CachedBody(body, media_type, f'"{blake2b(body, digest_size=8).hexdigest()}"')
            return self.cached


def _openapi() -> RenderedBody:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    return OpenApiJsonRenderer().render(document, renderer_context={}), "application/json"


def _page(query: str, media_type: str) -> Callable[[], RenderedBody]:
    def make() -> RenderedBody:
        request = HttpRequest()
        request.method, request.GET = "GET", QueryDict(query)
        view = SpectacularSwaggerSplitView.as_view(url=reverse("schema"), url_self=reverse("api-docs"))
        answer: Any = view(request)
        # Without the request, whose context has a CSRF token: these doors ask for none, and no two are alike.
        return render_to_string(answer.template_name, answer.data).encode(), media_type

    return make


class CachedDocuments:
    """ASGI application that sends cached documents; `behind` serves everything else, and renders documents."""

    def __init__(self, documents: Mapping[str, CachedDocument], behind: Application) -> None:
        """Keys of `documents` are paths, followed by `?script` for the document with that parameter."""
        self.documents = documents
        self.behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        document = self._document_of(scope)
        cached = None if document is None else document.cached
        if cached is None:
            await self.behind(scope, receive, send)
            return
        log_context.bind(route=scope["path"])
        headers = ((b"etag", cached.tag.encode()), (b"cache-control", _CACHE_CONTROL.encode()))
        if matches(header(scope, b"if-none-match"), cached.tag):
            await error_responses.send_response(send, 304, b"", *headers)
        else:
            await error_responses.send_response(
                send, 200, cached.body, (b"content-type", cached.media_type.encode()), *headers
            )

    def _document_of(self, scope: Scope) -> CachedDocument | None:
        path = scope["path"]
        if path not in self.documents or scope["method"] not in {"GET", "HEAD"}:
            return None
        if f"{path}?script" not in self.documents:
            return self.documents[path]
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        is_script = any(name == "script" for name, _ in given)
        return self.documents[f"{path}?script" if is_script else path]


_DOCUMENT = CachedDocument(_openapi)
_PAGE = CachedDocument(_page("", _HTML))
_SCRIPT = CachedDocument(_page("script=", _JAVASCRIPT))
DOCUMENTS = {"/api-docs.json": _DOCUMENT, "/api-docs": _PAGE, "/api-docs?script": _SCRIPT}


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    """Serve `/api-docs.json`, the OpenAPI document."""
    return _DOCUMENT.answer(request)


@read_only
def page(request: HttpRequest) -> HttpResponse:
    """Serve `/api-docs`, the page of the OpenAPI document; with `?script`, its script (inline ones are forbidden)."""
    return (_SCRIPT if "script" in request.GET else _PAGE).answer(request)
