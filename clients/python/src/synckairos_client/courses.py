"""The course of one clock from a state on: whether, from when and until when it drains or gains.

A state tells this of each clock, so nothing here depends on modes or time controls; only states of older servers do
(older_states.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from synckairos_client import older_states
from synckairos_client.frames import State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

Owner = dict[str, Any]
"""The owner of a clock: a participant, a group, or the state itself for the running clock."""


@dataclass(frozen=True, slots=True)
class Course:
    """A clock that drains, gains or stands still until the next state. All instants are the server's."""

    seen_ms: float
    """Instant for which the state was computed."""
    left_ms: float
    """Time left at that instant."""
    drains_from_ms: float | None = None
    gains_from_ms: float | None = None
    ends_ms: float = 0.0
    """Instant at which a clock that runs ends, or its phase does."""

    def left_at_ms(self, now_ms: float) -> float:
        """Return the time left at an instant; one before the state counts as the state's, which is never from the
        future."""
        now_ms = max(now_ms, self.seen_ms)
        if self.drains_from_ms is not None:
            return max(0.0, self.ends_ms - max(now_ms, self.drains_from_ms))
        if self.gains_from_ms is not None:
            return self.left_ms + max(0.0, min(now_ms, self.ends_ms) - max(self.seen_ms, self.gains_from_ms))
        return self.left_ms

    def lead_in_ms(self, now_ms: float) -> float:
        """Return the time until the clock begins to drain; 0 for one that drains already, or stands still."""
        return 0.0 if self.drains_from_ms is None else max(0.0, self.drains_from_ms - max(now_ms, self.seen_ms))

    def is_draining(self, now_ms: float) -> bool:
        """Return true while the time left becomes less."""
        return self.drains_from_ms is not None and self.drains_from_ms <= max(now_ms, self.seen_ms) < self.ends_ms

    def is_gaining(self, now_ms: float) -> bool:
        """Return true while the time left becomes more."""
        return self.gains_from_ms is not None and self.gains_from_ms <= max(now_ms, self.seen_ms) < self.ends_ms


def course_of(state: State, owner: Owner) -> Course | None:
    """Return the course of an owner's clock; None when no clock counts down."""
    seen_ms = state["server_time_ms"]
    if "drains_from" not in state:
        left_ms = older_states.time_remaining_ms(state, owner)
        if left_ms is None:
            return None
        if not older_states.is_draining(state, owner):
            return Course(seen_ms, float(left_ms))
        return Course(seen_ms, float(left_ms), drains_from_ms=seen_ms, ends_ms=seen_ms + left_ms)
    left_ms, ends = owner["time_remaining_ms"], owner.get("deadline_at")
    if left_ms is None:
        return None
    if ends is None:
        return Course(seen_ms, float(left_ms))
    drains_from, gains_from = owner.get("drains_from"), owner.get("gains_from")
    return Course(
        seen_ms,
        float(left_ms),
        None if drains_from is None else instant_ms(drains_from),
        None if gains_from is None else instant_ms(gains_from),
        instant_ms(ends),
    )


@lru_cache(maxsize=256)  # a screen asks many times between two states
def instant_ms(text: str) -> float:
    """Return an instant of a state, such as `2026-01-01T00:00:00.000Z`, in milliseconds since the Unix epoch."""
    return (datetime.fromisoformat(text) - _EPOCH) / _MS
