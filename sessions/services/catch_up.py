"""Deadlines that have come and were applied by nobody: whoever looks at a session applies and commits them first."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from prometheus_client import Counter

from sessions.services.commits import write_of
from sessions.services.outcome import Caller
from sessions.services.quotas import committed
from sessions.store.store import Snapshot
from sessions.store.writes import Gone, LostRace, NoRoom
from synckairos.auth.principal import SYSTEM
from synckairos.engine import Decision, observe
from synckairos.engine.deadlines import is_due
from synckairos.errors import ServiceUnavailable
from synckairos.redis.procedures import Procedure
from synckairos.telemetry import metrics

MAX_PORTIONS = 20
"""Most portions of overdue deadlines that one caller applies (20 x 256 transitions, some tenths of a second)."""

TIMEKEEPER = Caller(SYSTEM, request_id="")
"""Who applies deadlines, from whatever door."""


def catch_up(session_id: UUID, snapshot: Snapshot, *, if_full: NoRoom | None = None) -> Procedure[Snapshot]:
    """The session with every due deadline applied *and committed*: a version once shown stays true.

    Each turn commits a portion or meets somebody else's commit. Raises ServiceUnavailable when a session owes so much
    that one caller should not wait for all of it: what was done is done, and the next caller goes on from there.

    On a full store nothing can be committed: StoreFull, or with `if_full` the session as it was committed last.
    """
    for _ in range(MAX_PORTIONS):
        if snapshot.state is None or not is_due(snapshot.state, snapshot.now):
            return snapshot
        decision = observe(snapshot.state, snapshot.now)
        reply = yield from committed(write_of(decision, snapshot.now, TIMEKEEPER), if_full=if_full)
        match reply:
            case NoRoom():
                return snapshot
            case LostRace():
                metrics.LOST_RACES.inc()
                snapshot = reply.snapshot
            case Gone():
                snapshot = Snapshot(snapshot.now, None)
            case _:
                count_events(decision)
                snapshot = Snapshot(snapshot.now, decision.state)
    if snapshot.state is None or not is_due(snapshot.state, snapshot.now):
        return snapshot
    raise ServiceUnavailable("The session has many deadlines to catch up with, and goes on doing so: ask again")


def count_events(decision: Decision) -> None:
    """Add the events of a decision that was committed to the metrics."""
    for event in decision.events:
        _counter_of(event.name).inc()


@cache
def _counter_of(event: str) -> Counter:
    return metrics.TRANSITIONS.labels(event)
