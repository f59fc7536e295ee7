"""A transport that sends the head of an answer together with what follows: a system call costs more than it carries."""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD, _CONTINUE = b"HTTP/1.1 ", b"HTTP/1.1 100 "


class Corked:
    """An asyncio transport, but that the head of an answer waits for the next write, or for `flush`.

    Uvicorn writes them one after the other, and says when an answer is complete.
    """

    def __init__(self, raw: asyncio.Transport) -> None:
        self.raw = raw
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def write(self, data: bytes) -> None:
        """Send this, after a head that waits."""
        head, self._head = self._head, b""
        if head:
            self.raw.write(head + data)
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self.raw.write(data)

    def flush(self) -> None:
        """Send a head that nothing follows."""
        if self._head:
            self.write(b"")

    def write_eof(self) -> None:
        """End this side after what was written."""
        self.flush()
        self.raw.write_eof()

    def close(self) -> None:
        """Close after what was written."""
        self.flush()
        self.raw.close()
