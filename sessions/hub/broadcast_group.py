"""Clients that are in step: all have been given the same state, nothing waits for any of them, and there is room.

What a frame to thousands of sockets costs beyond the kernel's work is finding out, socket by socket, that it may be
written. Here nobody has to: whoever is not in step falls out when that happens, and for the others a frame is a write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synckairos.telemetry import logs, metrics

if TYPE_CHECKING:
    from sessions.hub.subscriber import Outlet, Position
    from synckairos.webserver.transport import Direct, Frame

log = logs.get_logger(__name__)

LARGEST = 500
"""Clients that are served before others get their turn."""


class Step:
    """Some clients of one session, those in step and the others."""

    __slots__ = ("_in_step", "outlets", "position")

    def __init__(self, position: Position) -> None:
        self.outlets: set[Outlet] = set()
        """All of them."""
        self.position = position
        """Of those in step."""
        self._in_step: dict[Direct, Outlet] = {}

    @property
    def others(self) -> list[Outlet]:
        """Who is not in step."""
        if len(self._in_step) == len(self.outlets):
            return []
        return list(self.outlets.difference(self._in_step.values()))

    def fall_in(self, outlet: Outlet, direct: Direct, position: Position) -> bool:
        """Go in step; False for a client that has been given another state than those who are."""
        if not self._in_step:
            self.position = position
        elif self.position != position:
            return False
        self._in_step[direct] = outlet
        return True

    def fall_out(self, direct: Direct) -> None:
        """Go alone again."""
        del self._in_step[direct]

    def pass_on(self, shown: Position, frame: Frame) -> int:
        """Give all in step a state of the same epoch, if it is newer than theirs; gives how many they are."""
        before = self.position
        if not self._in_step or before.epoch != shown.epoch or before.version >= shown.version:
            return 0
        self.position = shown  # first: who has no more room after this frame falls out with it
        data = frame.encoded
        for direct in (clients := list(self._in_step)):
            try:
                direct.write(data)
            except Exception:
                # One client's fault must not reach the others.
                if self._has_failed(direct, before):
                    metrics.SOCKET_FAULTS.inc()
                    log.exception("client failed")
        return len(clients)

    def _has_failed(self, direct: Direct, before: Position) -> bool:
        """It has not been given the state; False for a client that has gone, as its wire will tell in a moment."""
        outlet = self._in_step.get(direct)
        if outlet is not None:
            outlet.position = before
        return not direct.is_closing()
