"""A transport that coalesces writes: a system call costs more than the bytes that it carries."""

from __future__ import annotations

import asyncio
from typing import Any

from synckairos import coalescing
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_HEAD, _CONTINUE = b"HTTP/1.1 ", b"HTTP/1.1 100 "


class CoalescingTransport:
    """An asyncio transport on which the head of an answer waits for the next write, or for `flush`.

    Uvicorn writes head and body one after the other, and calls back when an answer is complete.
    """

    def __init__(self, raw: asyncio.Transport) -> None:
        self.raw = raw
        self._head = b""
        self._whole_answer = b""
        """A whole answer that waits for those of the same batch."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def write(self, data: bytes) -> None:
        """Write data, after a head that waits."""
        self.send()
        head, self._head = self._head, b""
        if head:
            self.raw.write(head + data)
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self.raw.write(data)

    def write_soon(self, answer: bytes) -> None:
        """Write a whole answer, together with the other answers of a batch: a client with many connections (such as
        a proxy) wakes up once for all of them, and waking it is a good part of the cost of a write."""
        self._whole_answer += answer
        _waiting_transports.append(self)
        if len(_waiting_transports) == 1 and not coalescing.defer(_send_waiting):
            _send_waiting()

    def send(self) -> None:
        """Write an answer that waits for its batch."""
        if self._whole_answer:
            answer, self._whole_answer = self._whole_answer, b""
            if not self.raw.is_closing():  # else the connection has been cut
                self.raw.write(answer)

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self.write(b"")

    def write_eof(self) -> None:
        """End the writing side after what was written."""
        self.send()
        self.flush()
        self.raw.write_eof()

    def close(self) -> None:
        """Close the connection after what was written."""
        self.send()
        self.flush()
        self.raw.close()


_waiting_transports: list[CoalescingTransport] = []
"""The transports whose answers wait for the end of the batch."""


def _send_waiting() -> None:
    waiting = _waiting_transports.copy()
    _waiting_transports.clear()
    for transport in waiting:
        try:
            transport.send()
        except Exception:
            log.exception("an answer was not sent")  # the other answers are
