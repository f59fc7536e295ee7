"""What our server offers for one HTTP request, beyond ASGI (synckairos/http/asgi.py)."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from sessions.serving.corked import Corked
from synckairos.conf import conf
from synckairos.errors import ApiError, RequestTimeout
from synckairos.http.asgi import header

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 201: b"HTTP/1.1 201 Created\r\n"}


class Exchange:
    """One request and its answer."""

    __slots__ = ("_reference", "_transport", "refusal")

    def __init__(self, transport: Corked, refusal: ApiError | None) -> None:
        self._transport = transport
        self.refusal = refusal
        self._reference: weakref.ref[RequestResponseCycle] | None = None

    def belongs_to(self, cycle: RequestResponseCycle) -> None:
        """The head is there. The cycle has us in its scope: a ring of the two would wait for the garbage collector."""
        self._reference = weakref.ref(cycle)

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return None if self._reference is None else self._reference()

    def has_arrived(self) -> bool:
        """Whether the whole request is there."""
        cycle = self._cycle
        return cycle is not None and not cycle.more_body

    async def whole_body(self) -> bytes | None:
        """Its body, when nothing stands between the request and its answer. Raises RequestTimeout."""
        cycle = self._cycle
        if cycle is None or self.refusal is not None or cycle.waiting_for_100_continue or cycle.flow.write_paused:
            return None
        if cycle.more_body:
            if not _will_be_small(cycle):
                return None
            await _arrival(cycle)
        is_whole = not cycle.more_body and not cycle.disconnected and len(cycle.body) <= conf().max_body_bytes
        return bytes(cycle.body) if is_whole else None

    def answer(self, status: int, head: bytes, body: bytes) -> None:
        """What `cycle.send` does with an answer's start and body, for one that is whole and known to be well-formed."""
        cycle = self._cycle
        if cycle is None or cycle.disconnected:
            return
        lines = [_STATUS_LINES[status], *[b"%s: %s\r\n" % field for field in cycle.default_headers], head]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        lines.append(body)
        cycle.response_started = True
        self._transport.raw.write(b"".join(lines))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()


def _will_be_small(cycle: RequestResponseCycle) -> bool:
    """Whether it says how long its body is, and Uvicorn keeps that much before anybody asks for it."""
    declared = header(dict(cycle.scope), b"content-length") or ""
    return declared.isdecimal() and int(declared) <= min(HIGH_WATER_LIMIT, conf().max_body_bytes)


async def _arrival(cycle: RequestResponseCycle) -> None:
    """Wait for the rest of a body: many clients send it apart from the head. Raises RequestTimeout."""
    try:
        async with asyncio.timeout(conf().body_timeout_s):
            while cycle.more_body and not cycle.disconnected:
                cycle.message_event.clear()
                await cycle.message_event.wait()
    except TimeoutError:
        raise RequestTimeout from None
    finally:
        cycle.message_event.set()  # for whoever receives it
