"""The transport of a client that takes one state: a long poll."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from synckairos.telemetry import metrics
from synckairos.webserver.transport import Frame, IndirectTransport


class StateFrame(Struct, frozen=True):
    """The fields of any frame about its state."""

    type: str
    version: int | UnsetType | None = UNSET
    epoch: str | UnsetType | None = UNSET
    state: Raw | UnsetType = UNSET


state_frame_decoder = msgspec.json.Decoder(StateFrame)


class PollTransport(IndirectTransport):
    """The transport of a client that takes one state."""

    is_open = is_writable = True

    def __init__(self) -> None:
        self.result: asyncio.Future[StateFrame | int] = asyncio.get_running_loop().create_future()

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
