"""Responses whose body is made while it is sent, in threads and part by part.

A part is made when the one before has gone to the client, and none is made after the client has gone away. Between two
parts a response holds neither a thread nor a database connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import copy_context

from django.db import close_old_connections
from django.http import StreamingHttpResponse

from synckairos.http.asgi import Receive, Send


async def send_stream(response: StreamingHttpResponse, receive: Receive, send: Send, threads: Executor) -> None:
    """Send a response. An exception of its iterator leaves the body incomplete, which the client can see."""
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    loop, context = asyncio.get_running_loop(), copy_context()
    parts: Iterator[bytes] = iter(response)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        while not gone.done():
            part = await loop.run_in_executor(threads, context.run, _next, parts)
            await send({"type": "http.response.body", "body": part or b"", "more_body": part is not None})
            if part is None:
                break
    finally:
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        await loop.run_in_executor(threads, response.close)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(parts: Iterator[bytes]) -> bytes | None:
    """Return the next part that is not empty; None at the end."""
    try:
        return next((part for part in parts if part), None)
    finally:
        close_old_connections()  # the next part may be made in another thread
