"""The request that drains of this process stop: it ends a wait at once."""

from __future__ import annotations

import os
import select


class StopRequest:
    """A request that is made once and stays.

    It is a pipe, so a signal handler may make it (an event of `threading` could deadlock there), a wait for sockets may
    wait for it too, and processes that are forked meanwhile see it.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with the request."""
        return self._read_end

    def make(self) -> None:
        """Request the stop. A signal handler may call this."""
        os.write(self._write_end, b"s")

    def is_made(self) -> bool:
        """Return true once the stop is requested."""
        return self.wait(0)

    def wait(self, duration_s: float) -> bool:
        """Wait until the stop is requested, at most for this time, and return true if it is."""
        poll = select.poll()  # of each call its own, for two threads may not share one
        poll.register(self._read_end, select.POLLIN)
        return bool(poll.poll(max(0.0, duration_s) * 1000))
