"""A queue for work that many connections bring at once: one piece runs in each turn of the event loop.

A loop handles all that has arrived before it polls again. Hundreds of handshakes that arrive together, each of which
costs much more than a request of the fast path, would delay a later request by all of them; with the queue, by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class FairQueue:
    """The work of one kind in a process, in the order in which it came. A single piece runs at once."""

    def __init__(self) -> None:
        self._pending: deque[Callable[[], None]] = deque()
        self._has_run = False
        """One piece has run in this turn of the loop."""

    def run(self, act: Callable[[], None]) -> None:
        """Run this now, or in a later turn of the running loop."""
        if self._has_run:
            self._pending.append(act)
        else:
            self._run(act)

    def _run(self, act: Callable[[], None]) -> None:
        self._has_run = True
        asyncio.get_running_loop().call_soon(
            self._run_next
        )  # before the act: if it raises, the others run all the same
        act()

    def _run_next(self) -> None:
        self._has_run = False
        if self._pending:
            self._run(self._pending.popleft())


handshakes = FairQueue()
"""The handshakes of connections that become WebSockets."""
