"""Round trips of a WebSocket, measured by the pings of the server.

Only the pong that answers the ping in flight measures one; its payload cannot be guessed. Of the latest round trips the
shortest counts. A page in a browser cannot delay pongs, but it can let them wait behind frames that take long, and a
busy server or client delays them too: that lengthens some of the latest round trips, hardly all of them. A program that
answers every ping late looks like one on a slow network, so whoever grants time for lag needs a quota too.
"""

from __future__ import annotations

import time
from collections import deque
from secrets import token_bytes

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as PeerFrame

KEPT = 8
"""The number of the latest round trips of which the shortest counts."""
_PAYLOAD_BYTES = 8
_NS_PER_MS = 1_000_000


class MeasuringProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, which measures the round trips of its pings once it is asked to."""

    ping_timeout: float
    """The time that a peer has to answer a ping: a number from the beginning, Uvicorn's own or the heartbeat."""
    _latest_ms: deque[int] | None = None
    """The latest round trips; None, and no memory for each connection, until they are to be measured."""
    _ping_sent_ns = 0
    _is_frequent = False
    _frequent_until_s = 0.0
    """Instant on the clock of the event loop from which pings come at the interval of the heartbeat again."""

    @property
    def round_trip_ms(self) -> int | None:
        """The shortest of the latest round trips, in whole milliseconds; None before the first."""
        return min(self._latest_ms) if self._latest_ms else None

    def measure_round_trips(self, interval_s: float, for_s: float) -> None:
        """Ping at once, then at this interval for this time, which each call begins anew; then as often as before.

        The time that the peer has to answer stays. Without effect unless the connection is open.
        """
        if self.close_sent or not self.handshake_complete:
            return
        self._frequent_until_s = self.loop.time() + for_s
        if self._is_frequent:
            return
        self._is_frequent, self.ping_interval = True, min(interval_s, self.ping_timeout)
        if self._latest_ms is None:
            self._latest_ms = deque(maxlen=KEPT)
        if self.ping_timer is not None:  # no ping waits for its answer
            self.ping_timer.cancel()
            self.send_keepalive_ping()

    def schedule_ping(self) -> None:
        if self._is_frequent and self.loop.time() >= self._frequent_until_s:
            self._is_frequent, self.ping_interval = False, self.ping_timeout
        super().schedule_ping()

    def send_keepalive_ping(self) -> None:
        """Ping as Uvicorn does, but with a payload that no peer can work out from earlier ones."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        self.pending_ping_payload = token_bytes(_PAYLOAD_BYTES)
        self.ping_sent_at, self._ping_sent_ns = self.loop.time(), time.monotonic_ns()
        self.conn.send_ping(self.pending_ping_payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

    def handle_pong(self, event: PeerFrame) -> None:
        awaited = self.pending_ping_payload
        super().handle_pong(event)
        is_answer = awaited is not None and self.pending_ping_payload is None
        if is_answer and self._latest_ms is not None:
            self._latest_ms.append((time.monotonic_ns() - self._ping_sent_ns) // _NS_PER_MS)
