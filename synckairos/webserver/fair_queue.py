"""Work that many connections bring at once is done one piece for each turn of the event loop.

A loop deals with all that has arrived before it looks again. Hundreds of handshakes that arrive together, each of which
costs much more than a request of the fast path, would make whoever comes meanwhile wait for all of them; so he waits
for one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Of one process: its pieces of work, in the order in which they came. A lone one waits for nothing."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_taken = False
        """One has been done in this turn of the loop."""

    def take(self, act: Callable[[], None]) -> None:
        """Have it done, now or in a later turn. On the running loop."""
        if self._is_taken:
            self._waiting.append(act)
        else:
            self._do(act)

    def _do(self, act: Callable[[], None]) -> None:
        self._is_taken = True
        asyncio.get_running_loop().call_soon(self._next)  # before the act: the others' turns come though it fails
        act()

    def _next(self) -> None:
        self._is_taken = False
        if self._waiting:
            self._do(self._waiting.popleft())


handshakes = Turns()
"""Connections that become WebSockets."""
