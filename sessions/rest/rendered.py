"""Documents that are the same for everybody: rendered once in each process, then only sent.

Nothing of a request has a part in them (parameters, `Accept`, `Host`), so nobody can have them rendered again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from msgspec import Struct

from sessions.rest.conditions import matches
from sessions.rest.operations import read_only
from sessions.rest.schema import DocumentRenderer
from synckairos import context

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


_DOCUMENT, _PAGE, _SCRIPT = Rendered(_openapi), Rendered(_page("", _HTML)), Rendered(_page("script=", _JAVASCRIPT))


@read_only
def openapi(request: HttpRequest) -> HttpResponse:
    """`/api-docs.json`: the OpenAPI document."""
    context.note(route="/api-docs.json")
    return _DOCUMENT.answer(request)


@read_only
def page(request: HttpRequest) -> HttpResponse:
    """`/api-docs`: the page that shows it, and with `?script` its script, which no page may hold itself."""
    context.note(route="/api-docs")
    return (_SCRIPT if "script" in request.GET else _PAGE).answer(request)
