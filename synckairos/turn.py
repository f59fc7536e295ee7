"""Something to be done once in a turn of the event loop, however often it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class OnceInATurn:
    """What many callbacks of one turn leave behind is carried away together, before the loop looks for new events."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._due_in: asyncio.AbstractEventLoop | None = None
        """Whose turn it is to be done in."""

    def ask(self) -> None:
        """Have it done soon; at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._act()
            return
        if self._due_in is not loop:  # asked for in one that has ended meanwhile, it was never done
            self._due_in = loop
            loop.call_soon(self._do)

    def _do(self) -> None:
        self._due_in = None
        self._act()
