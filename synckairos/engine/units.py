"""Units and names of the clock. Every instant and duration in the engine is an integer of milliseconds.

See docs/clock.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

Instant: TypeAlias = int
"""Milliseconds since the Unix epoch, on the state store's clock."""

Duration: TypeAlias = int
"""Milliseconds."""

Json: TypeAlias = dict[str, Any]
"""An object a client gave us and gets back untouched."""


class SyncMode(StrEnum):
    """Whose time runs."""

    PER_PARTICIPANT = "per_participant"
    PER_GROUP = "per_group"
    PER_CYCLE = "per_cycle"
    GLOBAL = "global"
    COUNT_UP = "count_up"


class Status(StrEnum):
    """Where a session stands in its life."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True for a status that accepts no command any more."""
        return self in _FINAL


_FINAL = frozenset({Status.COMPLETED, Status.EXPIRED, Status.CANCELLED})


class Visibility(StrEnum):
    """Who may read a session besides those who have a part in it (synckairos/auth/permissions.py)."""

    PRIVATE = "private"
    """Nobody else."""
    LINK = "link"
    """Anybody authenticated who knows its id; no list ever names it."""
    PUBLIC = "public"
    """Anybody authenticated."""


class TimeoutAction(StrEnum):
    """What `action_on_timeout.type` may say."""

    NOTIFY = "notify"
    SKIP_CYCLE = "skip_cycle"
    AUTO_ACTION = "auto_action"
    END_SESSION = "end_session"
