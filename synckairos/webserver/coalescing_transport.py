"""A transport that sends together what belongs together: a system call costs more than it carries."""

from __future__ import annotations

import asyncio
from typing import Any

from synckairos import coalescing
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

_HEAD, _CONTINUE = b"HTTP/1.1 ", b"HTTP/1.1 100 "


class CoalescingTransport:
    """An asyncio transport, but that the head of an answer waits for the next write, or for `flush`.

    Uvicorn writes them one after the other, and says when an answer is complete.
    """

    def __init__(self, raw: asyncio.Transport) -> None:
        self.raw = raw
        self._head = b""
        self._answer = b""
        """A whole one, which goes out with others."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def write(self, data: bytes) -> None:
        """Send this, after a head that waits."""
        self.send()
        head, self._head = self._head, b""
        if head:
            self.raw.write(head + data)
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self.raw.write(data)

    def write_soon(self, answer: bytes) -> None:
        """Send a whole answer, together with those that come at the same time: a client with many connections (a proxy,
        say) is woken once for all of them, which is a good part of what sending them costs."""
        self._answer += answer
        _answers.append(self)
        if len(_answers) == 1 and not coalescing.later(_send_all):
            _send_all()

    def send(self) -> None:
        """Send an answer that waits for others."""
        if self._answer:
            answer, self._answer = self._answer, b""
            if not self.raw.is_closing():  # else it has been cut off meanwhile
                self.raw.write(answer)

    def flush(self) -> None:
        """Send a head that nothing follows."""
        if self._head:
            self.write(b"")

    def write_eof(self) -> None:
        """End this side after what was written."""
        self.send()
        self.flush()
        self.raw.write_eof()

    def close(self) -> None:
        """Close after what was written."""
        self.send()
        self.flush()
        self.raw.close()


_answers: list[CoalescingTransport] = []
"""Whose answers wait."""


def _send_all() -> None:
    waiting = _answers.copy()
    _answers.clear()
    for transport in waiting:
        try:
            transport.send()
        except Exception:
            log.exception("an answer was not sent")  # the others are
