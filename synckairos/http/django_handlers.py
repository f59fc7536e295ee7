"""Django without its middleware: for the API, which has neither cookies nor forms.

Some of the middleware is sync, so that each request would be handed to a thread and back a dozen times. What it does
for pages, our own ASGI applications do for every door (security_headers.py, body_limits.py, request_log.py).
"""

from __future__ import annotations

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from synckairos.http.asgi import Application, Receive, Scope, Send

_API = ("/v1/", "/health", "/ready", "/metrics", "/.well-known/")


class BareHandler(ASGIHandler):
    """Django's handler of requests; URL configuration, views and exceptions are as ever."""

    def load_middleware(self, is_async: bool = False) -> None:
        """None of it."""
        self._view_middleware: list[object] = []
        self._template_response_middleware: list[object] = []
        self._exception_middleware: list[object] = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, which says how long it is."""
        response: HttpResponseBase = await super().get_response_async(request)
        if isinstance(response, HttpResponse) and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        return response


class ByPath:
    """The API by the bare handler, pages and what belongs to them by the whole one."""

    def __init__(self, api: Application, pages: Application) -> None:
        self.api = api
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.api if scope["path"].startswith(_API) else self.pages)(scope, receive, send)
