"""Groups of subscribers to which a frame is written without checks of each subscriber.

Beyond the kernel's work, a frame to thousands of sockets costs mostly the check, for each socket, of whether the frame
may be written now. The receivers of a group all have the same position, an empty queue and a transport with space, and
leave the group's broadcast as soon as this ends. So a frame is one write for each.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from sessions.hub.position import Position
from synckairos.telemetry import logs, metrics
from synckairos.webserver.transport import Frame, RawTransport

log = logs.get_logger(__name__)

MAX_GROUP_SIZE = 500
"""Number of clients that are served before other tasks of the loop run."""


class HasPosition(Protocol):
    """A subscriber as its group uses it."""

    position: Position


S = TypeVar("S", bound=HasPosition)


class BroadcastGroup(Generic[S]):
    """Some subscribers of one session: the receivers of its broadcasts, and the others."""

    __slots__ = ("_receivers", "position", "subscribers")

    def __init__(self, position: Position) -> None:
        self.subscribers: set[S] = set()
        """All subscribers of the group, receivers or not."""
        self.position = position
        """The position of all receivers."""
        self._receivers: dict[RawTransport, S] = {}

    @property
    def non_receivers(self) -> list[S]:
        """Return the subscribers that a broadcast does not reach."""
        if len(self._receivers) == len(self.subscribers):
            return []
        return list(self.subscribers.difference(self._receivers.values()))

    def join(self, subscriber: S, raw_transport: RawTransport, position: Position) -> bool:
        """Make a subscriber a receiver; return False when its position differs from that of the receivers."""
        if not self._receivers:
            self.position = position
        elif self.position != position:
            return False
        self._receivers[raw_transport] = subscriber
        return True

    def leave(self, raw_transport: RawTransport) -> None:
        """Make the subscriber with this transport a receiver no longer."""
        del self._receivers[raw_transport]

    def broadcast(self, position: Position, frame: Frame) -> int:
        """Write a state of the same epoch to all receivers, if it is newer than theirs; return their number."""
        before = self.position
        if not self._receivers or before.epoch != position.epoch or before.version >= position.version:
            return 0
        self.position = position  # first: a receiver whose transport is full after this frame leaves with this position
        data = frame.encoded
        for raw_transport in (transports := list(self._receivers)):
            try:
                raw_transport.write(data)
            except Exception:
                # One client's fault must not reach the others.
                if self._has_failed(raw_transport, before):
                    metrics.SOCKET_FAULTS.inc()
                    log.exception("client failed")
        return len(transports)

    def _has_failed(self, raw_transport: RawTransport, before: Position) -> bool:
        """Reset the position of a client whose write failed; return False for one that has disconnected."""
        subscriber = self._receivers.get(raw_transport)
        if subscriber is not None:
            subscriber.position = before
        return not raw_transport.is_closing()
