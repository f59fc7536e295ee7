"""Django without its middleware: for the API, which has neither cookies nor forms.

What the middleware does for pages, our own ASGI applications do for every response (security_headers.py,
body_limits.py, request_log.py).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import IO, Any, cast

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import set_script_prefix

from synckairos.http.asgi import Application, Receive, Scope, Send
from synckairos.http.request_log import PROBE_PATHS
from synckairos.http.streaming import send_stream

_API = ("/v1/", "/health", "/ready", "/metrics", "/.well-known/")
_MAX_THREADS = 128
"""Requests that run at the same time; more of them wait. Each may wait for the state store or the database."""
_STREAM_THREADS = 4
"""Parts of streaming responses that are made at the same time: many exports delay each other alone."""
_PROBE_THREADS = 8
"""Threads of the probes alone: a process whose other threads all wait is alive."""


class ApiHandler(ASGIHandler):
    """Django's request handler without middleware; URL configuration, views and exceptions are as ever.

    Each request runs in one thread of a pool, from the resolver to the end of the response; the body of a response that
    streams is made by another pool. `ASGIHandler` starts a new thread for each request, and switches between it and the
    event loop several times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "request")
        self._stream_threads = ThreadPoolExecutor(_STREAM_THREADS, "stream")
        self._probe_threads = ThreadPoolExecutor(_PROBE_THREADS, "probe")

    def load_middleware(self, is_async: bool = False) -> None:
        """Set up the handler without middleware."""
        self._view_middleware: list[object] = []
        self._template_response_middleware: list[object] = []
        self._exception_middleware: list[object] = []
        self._middleware_chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        threads = self._probe_threads if scope["path"] in PROBE_PATHS else self._threads
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(threads, copy_context().run, self._respond, scope, body)
        if isinstance(response, StreamingHttpResponse):
            await send_stream(response, receive, send, self._stream_threads)
        else:
            await self.send_response(response, send)

    def _respond(self, scope: Scope, body: IO[bytes]) -> HttpResponse | StreamingHttpResponse:
        """Return the response to a request, at whose end (`request_finished`) the thread has no database connection.
        A response that streams is still to be read and closed."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        response: Any
        request, response = self.create_request(scope, body)
        if request is not None:
            response = self.get_response(request)
            response._handler_class = type(self)  # noqa: SLF001 - the sender of `request_finished`, as Django sets it
        body.close()
        if response.streaming:
            close_old_connections()
            return cast("StreamingHttpResponse", response)
        if not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        response.close()
        return cast("HttpResponse", response)


class PathRouter:
    """Routes API requests to the handler without middleware, and all others (the admin, pages) to the full one."""

    def __init__(self, api: Application, pages: Application) -> None:
        self.api = api
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.api if scope["path"].startswith(_API) else self.pages)(scope, receive, send)
