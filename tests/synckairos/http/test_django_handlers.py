"""The handler of API requests, and its threads."""

from __future__ import annotations

import asyncio
import threading

from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse, StreamingHttpResponse

from synckairos.http import django_handlers
from synckairos.http.django_handlers import ApiHandler


def request(path):
    """The scope of a GET request."""
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}


async def test_probes_are_answered_while_all_other_threads_wait(monkeypatch):
    monkeypatch.setattr(django_handlers, "_MAX_THREADS", 1)
    handler, end = ApiHandler(), threading.Event()
    waiting = asyncio.get_running_loop().run_in_executor(handler._threads, end.wait)
    probe = ApplicationCommunicator(handler, request("/health"))
    try:
        await probe.send_input({"type": "http.request"})
        assert (await probe.receive_output(5))["status"] == 200
    finally:
        end.set()
        await waiting


def parts_after(end):
    """A body whose first part is not made before an event."""
    end.wait()
    yield b"x"


async def test_requests_are_answered_while_many_exports_make_their_parts(monkeypatch):
    monkeypatch.setattr(django_handlers, "_MAX_THREADS", 2)
    end = threading.Event()

    class Handler(ApiHandler):
        """Handler of exports that take long, and of plain reads."""

        def _respond(self, scope, body):
            body.close()
            if scope["path"] == "/v1/exports/events":
                return StreamingHttpResponse(parts_after(end))
            return HttpResponse("read")

    handler = Handler()
    exports = [ApplicationCommunicator(handler, request("/v1/exports/events")) for _ in range(8)]
    plain = ApplicationCommunicator(handler, request("/v1/sessions"))
    try:
        for export in exports:
            await export.send_input({"type": "http.request"})
            assert (await export.receive_output(30))["type"] == "http.response.start"
        await plain.send_input({"type": "http.request"})
        assert (await plain.receive_output(30))["status"] == 200
    finally:
        end.set()
    for export in exports:
        assert (await export.receive_output(30))["body"] == b"x"
