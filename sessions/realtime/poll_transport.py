"""The transport of a client that takes one state: a long poll."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from synckairos.telemetry import metrics
from synckairos.webserver.transport import Frame


class Stateful(Struct, frozen=True):
    """What any frame says of the state it shows."""

    type: str
    version: int | UnsetType | None = UNSET
    epoch: str | UnsetType | None = UNSET
    state: Raw | UnsetType = UNSET


stateful = msgspec.json.Decoder(Stateful)


class PollTransport:
    """The transport of a client that takes one state."""

    def __init__(self) -> None:
        self.on_writable: Callable[[], None] | None = None
        self.on_blocked: Callable[[], None] | None = None
        self.on_violation: Callable[[int, str], None] | None = None
        self.raw_transport = None
        self.is_open = self.is_writable = True
        self.woken: asyncio.Future[Stateful | int] = asyncio.get_running_loop().create_future()

    def set_ping_interval(self, seconds: float) -> None:
        """It does not last."""

    def write(self, frame: Frame) -> None:
        """Wake with a state; what goes with it is in the state too."""
        shown = stateful.decode(frame.payload)
        if shown.state is not UNSET:
            self._wake(shown)

    def try_write(self, frame: Frame) -> bool:
        """The same."""
        self.write(frame)
        return True

    def close(self, code: int, reason: str) -> None:
        """Wake with the reason of the end."""
        metrics.SOCKETS_CLOSED.labels(str(int(code))).inc()
        self._wake(code)

    force_close = close

    def _wake(self, news: Stateful | int) -> None:
        if not self.woken.done():
            self.woken.set_result(news)
