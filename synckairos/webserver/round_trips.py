"""Round trips of a WebSocket, measured by the pings of the server.

A client cannot shorten what it does not answer, and what it delays it has to delay for every ping: of the latest round
trips the shortest counts.
"""

from __future__ import annotations

from collections import deque

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as PeerFrame

KEPT = 4
"""The number of the latest round trips of which the shortest counts."""


class MeasuringProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, which measures the round trips of its pings once it is asked to."""

    _round_trips: deque[float] | None = None
    """The latest round trips, in seconds; None, and no memory for each connection, until they are measured."""

    @property
    def round_trip_ms(self) -> int | None:
        """The shortest of the latest round trips, in whole milliseconds; None before the first."""
        return int(min(self._round_trips) * 1_000) if self._round_trips else None

    def measure_round_trips(self, interval_s: float) -> None:
        """Ping at once, and from then on at this interval, once the handshake is complete. The time to answer stays."""
        if self._round_trips is not None or self.close_sent or not self.handshake_complete:
            return
        self._round_trips, self.ping_interval = deque(maxlen=KEPT), interval_s
        if self.ping_timer is not None:  # no ping waits for its answer
            self.ping_timer.cancel()
            self.send_keepalive_ping()

    def handle_pong(self, event: PeerFrame) -> None:
        waited_for = self.pending_ping_payload
        super().handle_pong(event)
        if self._round_trips is None or waited_for is None:
            return
        if self.pending_ping_payload is None:  # it answers the ping that was sent last
            self._round_trips.append(self.last_ping_rtt)
