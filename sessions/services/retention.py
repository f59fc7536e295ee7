"""How long sessions are kept: when one in which nothing happens is let go, and when the store may forget one.

A session that has a deadline is not idle: when that comes, its retention begins (docs/clock.md). One that goes on by
itself has one all the time, and is let go when nobody has watched, read or commanded it for much less long.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from sessions.store import idle
from synckairos.conf import conf
from synckairos.engine import is_idle, runs_by_itself
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant, Status
from synckairos.redis.scripts import Call

KEPT_ON_MS: Duration = 30 * 86_400_000
"""How much longer than due the store keeps a session: for so long its end is not lost though no timekeeper is there."""
_NEWS_AFTER = 30
"""Looks at a session are noted once in this part of its retention, by each process: the cost of it is rare."""
_MOST_NOTED = 10_000


def retention_ms(state: State) -> Duration:
    """How long a live session is kept without a sign of life."""
    return conf().paused_ttl_ms if state.status is Status.PAUSED else conf().idle_ttl_ms


def kept_until(state: State, now: Instant, deadline_ms: Instant | None) -> tuple[Instant, Instant | None]:
    """How long a session is kept after a commit: when the store may forget it, without a word to anybody; and when it
    is let go if nothing happens and nobody looks, which is None for one that has ended, or that has a deadline and does
    not go on by itself."""
    if state.status.is_final:
        return now + conf().finished_ttl_ms, None
    kept_ms = retention_ms(state)
    if deadline_ms is None:
        return now + kept_ms + KEPT_ON_MS, state.updated_ms + kept_ms
    check_ms = state.updated_ms + conf().unattended_ttl_ms if runs_by_itself(state) else None
    return max(now, deadline_ms) + kept_ms + KEPT_ON_MS, check_ms


def sign_of_life(state: State, now: Instant) -> Call[bool] | None:
    """What a look at a session has to be noted by; None when that is not worth a round trip."""
    by_itself = runs_by_itself(state)
    every_ms = (conf().unattended_ttl_ms if by_itself else retention_ms(state)) // _NEWS_AFTER
    if not by_itself and (now - state.updated_ms <= every_ms or not is_idle(state)):
        return None
    return watched(state.session_id) if _looks.is_news(state.session_id, now, every_ms) else None


def watched(session_id: UUID) -> Call[bool]:
    """A note that somebody looks at a session, or has."""
    return idle.alive(session_id, conf().idle_ttl_ms, KEPT_ON_MS, conf().unattended_ttl_ms)


class _Looks:
    """Which sessions were looked at in this process, and when that was noted: their states do not say."""

    def __init__(self) -> None:
        self._noted: OrderedDict[int, Instant] = OrderedDict()

    def is_news(self, session_id: UUID, now: Instant, every_ms: Duration) -> bool:
        """Whether a look at a session is to be noted now, once in so long; if so, it counts as noted."""
        noted_ms = self._noted.get(session_id.int)
        if noted_ms is not None and abs(now - noted_ms) <= every_ms:
            return False
        self._noted.pop(session_id.int, None)
        self._noted[session_id.int] = now
        if len(self._noted) > _MOST_NOTED:
            self._noted.popitem(last=False)
        return True


_looks = _Looks()
