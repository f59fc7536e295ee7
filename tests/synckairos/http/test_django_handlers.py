"""The handler of API requests, and its threads."""

from __future__ import annotations

import asyncio
import threading

from asgiref.testing import ApplicationCommunicator

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
