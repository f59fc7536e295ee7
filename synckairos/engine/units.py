"""Units and names of the clock. Every instant and duration in the engine is an integer of milliseconds.

See docs/clock.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

Instant: TypeAlias = int
"""Milliseconds since the Unix epoch, on the state store's clock."""

Duration: TypeAlias = int
"""A number of milliseconds."""

MAX_TIME_MS: Duration = 86_400_000
"""Largest time that a clock is set to: a day."""

Json: TypeAlias = dict[str, Any]
"""An object from a client, which gets it back unchanged."""


class SyncMode(StrEnum):
    """The modes: which time runs."""

    PER_PARTICIPANT = "per_participant"
    PER_GROUP = "per_group"
    PER_CYCLE = "per_cycle"
    GLOBAL = "global"
    COUNT_UP = "count_up"


class Status(StrEnum):
    """The statuses of a session."""

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
    """The readers of a session besides its owner and participants (synckairos/auth/permissions.py)."""

    PRIVATE = "private"
    """No other person may read it."""
    LINK = "link"
    """Each authenticated person that has its id may read it; no list names it."""
    PUBLIC = "public"
    """Each authenticated person may read it."""


class OutagePolicy(StrEnum):
    """The treatment of the clocks of a session that is restored after the store has lost it."""

    CHARGE = "charge"
    """The clocks ran on: the outage counts like any other time."""
    PAUSE = "pause"
    """The session has been paused since the outage began."""


class TimeoutAction(StrEnum):
    """The values of `action_on_timeout.type`."""

    NOTIFY = "notify"
    SKIP_CYCLE = "skip_cycle"
    AUTO_ACTION = "auto_action"
    END_SESSION = "end_session"
