"""The clock of the running event loop, which a test moves in the place of waiting."""

from __future__ import annotations

import asyncio


def let_time_pass(seconds: float) -> None:
    """All timers of this loop that are due within this time are due now. It goes on from there."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
