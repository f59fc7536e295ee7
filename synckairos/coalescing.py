"""What several events that come together have in common is done once for all of them, after the last.

The replies of the store come in batches when there is much to do. What each of them leads to, an answer to be sent or a
line to be logged, is a system call; together they are one, or wake whoever reads them once. A lone event waits for
nothing.
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
