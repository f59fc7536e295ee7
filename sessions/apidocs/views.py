"""Documents that are the same for everybody: rendered once in each process, then only sent.

Nothing of a request has a part in them (parameters, `Accept`, `Host`), so nobody can have them rendered again. Once
rendered, they are sent from the event loop (`RenderedFirst`): Django's middleware takes several threads for each
request, and those threads keep the loop from everybody else.
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
from drf_spectacular.views import SpectacularSwaggerSplitView
from msgspec import Struct

from sessions.apidocs.openapi import DocumentRenderer
from sessions.preconditions import matches
from synckairos.http import error_responses
from synckairos.http.asgi import Application, Receive, Scope, Send, header
from synckairos.http.read_only import read_only
from synckairos.telemetry import log_context

Made = tuple[bytes, str]
"""A body and its media type."""
_HTML, _JAVASCRIPT = "text/html; charset=utf-8", "application/javascript; charset=utf-8"
_KEPT = "no-cache"
"""Browsers and proxies may keep it, and ask each time whether it is still the same."""


class _Kept(Struct, frozen=True):
    body: bytes
    media_type: str
    tag: str


class Rendered:
    """A document, made when somebody asks for the first time."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._lock = Lock()
        self._kept: _Kept | None = None

    @property
    def kept(self) -> _Kept | None:
        """The document; None before somebody has asked for it."""
        return self._kept

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The document, or 304 for who has it."""
        kept = self._kept or self._rendered()
        if matches(request.headers.get("If-None-Match"), kept.tag):
            answer = HttpResponse(status=304)
        else:
            answer = HttpResponse(kept.body, content_type=kept.media_type)
        answer["ETag"] = kept.tag
        answer["Cache-Control"] = _KEPT
        return answer

    def _rendered(self) -> _Kept:
        """One thread makes it, those that come meanwhile wait for it."""
        with self._lock:
            if self._kept is None:
                body, media_type = self._make()
                self._kept = _Kept(body, media_type, f'"{blake2b(body, digest_size=8).hexdigest()}"')
            return self._kept


def _openapi() -> Made:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    return DocumentRenderer().render(document, renderer_context={}), DocumentRenderer.media_type


def _page(query: str, media_type: str) -> Callable[[], Made]:
    def make() -> Made:
        request = HttpRequest()
        request.method, request.GET = "GET", QueryDict(query)
        view = SpectacularSwaggerSplitView.as_view(url=reverse("schema"), url_self=reverse("api-docs"))
        answer: Any = view(request)
        # Without the request, whose context has a CSRF token: these doors ask for none, and no two are alike.
        return render_to_string(answer.template_name, answer.data).encode(), media_type

    return make


class RenderedFirst:
    """Answers for documents that are rendered already; `behind` has all else, and renders them."""

    def __init__(self, documents: Mapping[str, Rendered], behind: Application) -> None:
        """`documents` by path, and `?script` behind it for the one with that parameter."""
        self.documents = documents
        self.behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        document = self._asked_for(scope)
        kept = None if document is None else document.kept
        if kept is None:
            await self.behind(scope, receive, send)
            return
        log_context.bind(route=scope["path"])
        told = ((b"etag", kept.tag.encode()), (b"cache-control", _KEPT.encode()))
        if matches(header(scope, b"if-none-match"), kept.tag):
            await error_responses.send_response(send, 304, b"", *told)
        else:
            await error_responses.send_response(
                send, 200, kept.body, (b"content-type", kept.media_type.encode()), *told
            )

    def _asked_for(self, scope: Scope) -> Rendered | None:
        path = scope["path"]
        if path not in self.documents or scope["method"] not in {"GET", "HEAD"}:
            return None
        if f"{path}?script" not in self.documents:
            return self.documents[path]
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        is_script = any(name == "script" for name, _ in given)
        return self.documents[f"{path}?script" if is_script else path]


_DOCUMENT, _PAGE, _SCRIPT = Rendered(_openapi), Rendered(_page("", _HTML)), Rendered(_page("script=", _JAVASCRIPT))
DOCUMENTS = {"/api-docs.json": _DOCUMENT, "/api-docs": _PAGE, "/api-docs?script": _SCRIPT}


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    """`/api-docs.json`: the OpenAPI document."""
    return _DOCUMENT.answer(request)


@read_only
def page(request: HttpRequest) -> HttpResponse:
    """`/api-docs`: the page that shows it, and with `?script` its script, which no page may hold itself."""
    return (_SCRIPT if "script" in request.GET else _PAGE).answer(request)
