"""Retention: when an idle session is ended, and when the store may forget a session (docs/clock.md#letting-go)."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from sessions.store import idle
from synckairos.conf import conf
from synckairos.engine import is_idle, runs_by_itself
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Status
from synckairos.redis.scripts import Call

GRACE_MS: Duration = 30 * 86_400_000
"""The store keeps a session for so much longer than its retention, so that its end waits for a timekeeper."""
_NOTES_PER_RETENTION = 30
"""Each process notes the activity of a session at most so many times in its retention."""
_MAX_NOTED = 10_000


def retention_ms(state: State) -> Duration:
    """Return how long a live session is kept without activity."""
    return conf().paused_ttl_ms if state.status is Status.PAUSED else conf().idle_ttl_ms


def expiry_of(state: State, now: Instant, deadline_ms: Instant | None) -> tuple[Instant, Instant | None]:
    """Return two instants after a commit: when the store may forget the session, and when to check whether it is idle.

    The second is None for a session that has ended, and for one with a deadline that does not run by itself.
    """
    if state.status.is_final:
        return now + conf().finished_ttl_ms, None
    kept_ms = retention_ms(state)
    if deadline_ms is None:
        return now + kept_ms + GRACE_MS, state.updated_ms + kept_ms
    check_ms = state.updated_ms + conf().unattended_ttl_ms if runs_by_itself(state) else None
    return max(now, deadline_ms) + kept_ms + GRACE_MS, check_ms


def activity_note(state: State, now: Instant) -> Call[bool] | None:
    """Return the note that a session was read; None when none is due."""
    by_itself = runs_by_itself(state)
    every_ms = (conf().unattended_ttl_ms if by_itself else retention_ms(state)) // _NOTES_PER_RETENTION
    if not by_itself and (now - state.updated_ms <= every_ms or not is_idle(state)):
        return None
    return note_activity(state.session_id) if _notes.take_turn(state.session_id, now, every_ms) else None


def note_activity(session_id: UUID) -> Call[bool]:
    """Return the note that a session is watched, read or commanded."""
    return idle.extend(session_id, conf().idle_ttl_ms, GRACE_MS, conf().unattended_ttl_ms)


def kept_since(now: Instant) -> Instant:
    """Return an instant: a session without a commit since then may have been forgotten by the store for its age."""
    return now - max(conf().idle_ttl_ms, conf().paused_ttl_ms) - GRACE_MS


class _ActivityNotes:
    """The instants at which this process has noted activity, by session: the states do not have them."""

    def __init__(self) -> None:
        self._noted: OrderedDict[int, Instant] = OrderedDict()

    def take_turn(self, session_id: UUID, now: Instant, every_ms: Duration) -> bool:
        """Return whether activity is to be noted now, once in such a time; then it counts as noted."""
        noted_ms = self._noted.get(session_id.int)
        if noted_ms is not None and abs(now - noted_ms) <= every_ms:
            return False
        self._noted.pop(session_id.int, None)
        self._noted[session_id.int] = now
        if len(self._noted) > _MAX_NOTED:
            self._noted.popitem(last=False)
        return True


_notes = _ActivityNotes()
