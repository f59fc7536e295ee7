"""The transport of a client that takes one state: a long poll."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from synckairos.telemetry import metrics
from synckairos.webserver.transport import Frame


class StateFrame(Struct, frozen=True):
    """The fields of any frame about its state."""

    type: str
    version: int | UnsetType | None = UNSET
    epoch: str | UnsetType | None = UNSET
    state: Raw | UnsetType = UNSET


state_frame_decoder = msgspec.json.Decoder(StateFrame)


class PollTransport:
    """The transport of a client that takes one state."""

    def __init__(self) -> None:
        self.on_writable: Callable[[], None] | None = None
        self.on_blocked: Callable[[], None] | None = None
        self.on_violation: Callable[[int, str], None] | None = None
        self.raw_transport = None
        self.is_open = self.is_writable = True
        self.result: asyncio.Future[StateFrame | int] = asyncio.get_running_loop().create_future()

    def set_ping_interval(self, seconds: float) -> None:
        """Do nothing: a long poll has no pings."""

    def write(self, frame: Frame) -> None:
        """Complete the poll with the state of the frame; frames without one are ignored."""
        shown = state_frame_decoder.decode(frame.payload)
        if shown.state is not UNSET:
            self._complete(shown)

    def try_write(self, frame: Frame) -> bool:
        """Write the frame; never blocked."""
        self.write(frame)
        return True

    def close(self, code: int, reason: str) -> None:
        """Complete the poll with the close code."""
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self._complete(code)

    force_close = close

    def _complete(self, result: StateFrame | int) -> None:
        if not self.result.done():
            self.result.set_result(result)
