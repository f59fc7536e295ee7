"""Sockets that command, and sockets that wait for what comes of it: in this process, as light as those of crowd.py."""

from __future__ import annotations

import asyncio
import time

from crowd import Crowd, Member

_TEXT = 0x81
_WITHIN = 300
"""What a frame is about stands among its first bytes."""


class Talker(Member):
    """One socket that sends frames, and tells when an answer with a given word comes."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        super().__init__(crowd, request)
        self._word: bytes | None = None
        self._heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def say(self, text: bytes) -> None:
        """Send a frame of at most 125 bytes. (Masked with zeros: the server must not mind.)"""
        self.transport.write(bytes((_TEXT, 0x80 | len(text))) + bytes(4) + text)

    def hear(self, word: bytes) -> asyncio.Future[float]:
        """When the next frame with this word comes, as an instant of `perf_counter`."""
        self._word, self._heard = word, asyncio.get_running_loop().create_future()
        return self._heard

    def _take(self, kind: int, frame: bytes) -> None:
        super()._take(kind, frame)
        if kind == _TEXT and self._word is not None and frame.find(self._word, 0, _WITHIN) >= 0:
            self._word = None
            self._heard.set_result(time.perf_counter())
