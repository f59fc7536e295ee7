"""Work that several events of one moment share is done once, after the last of them.

The replies of the store arrive in batches when there is much to do. The work after each, a response to be sent or a
line to be logged, is a system call; for all of them together it is one, and wakes its reader once. A single event does
not wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)  # not ours: that one's access log is one of those who come here

_open: list[Callable[[], None]] | None = None


def begin() -> None:
    """Several events are going to be dealt with, one right after the other."""
    global _open  # noqa: PLW0603 - a process has one event loop that serves
    _open = []


def end() -> None:
    """All of them have been."""
    global _open
    acts, _open = _open or (), None
    for act in acts:
        try:
            act()
        except Exception:
            log.exception("what events have in common was not done")  # the others' is


def later(act: Callable[[], None]) -> bool:
    """Have something done after the last of them. False for a lone event: then do it now."""
    if _open is None:
        return False
    _open.append(act)
    return True
