"""The time for which a user has had the running turn on this device: `think_ms` of a switch, for lag compensation.

The device measures it alone, from the state that showed the turn to the press, so that neither way over the network is
in it. Plain arithmetic; the module reads no clock.
"""

from __future__ import annotations

from typing import Any

from synckairos_client.updates import Update


class ThinkTime:
    """The time of one turn, on the device's clock. Pauses do not count."""

    def __init__(self) -> None:
        self._turn: tuple[Any, ...] = (None, 0, None)
        self._was_connected = False
        self._is_whole = False
        """True if the turn was shown from its beginning."""
        self._before_ms = 0.0
        self._since_ms: float | None = None
        """Instant from which on the turn runs; None while it does not."""

    def show(self, update: Update, now_ms: float) -> None:
        """Note that an update is shown at an instant."""
        was_connected, self._was_connected = self._was_connected, update.is_connected
        state = update.state
        if state is None:
            return
        turn = (state["epoch"], state["cycle_number"], state["active_participant_id"])
        if turn != self._turn:
            # A turn that comes with a connection, or comes back (undo), has begun before.
            comes_back = turn[0] == self._turn[0] and turn[1] < self._turn[1]
            self._turn, self._is_whole = turn, was_connected and not comes_back
            self._before_ms, self._since_ms = 0.0, None
        if state["status"] == "running":
            self._since_ms = now_ms if self._since_ms is None else self._since_ms
        elif self._since_ms is not None:
            self._before_ms, self._since_ms = self._before_ms + now_ms - self._since_ms, None

    def at_ms(self, now_ms: float) -> int | None:
        """Return the time at an instant; None when no turn runs, or its beginning was not shown here."""
        if self._since_ms is None or not self._is_whole:
            return None
        return max(0, round(self._before_ms + now_ms - self._since_ms))
