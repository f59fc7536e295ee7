"""Deadlines that are due: every reader and command of a session applies and commits them first (`catch_up`), and the
timekeeper does so for many sessions at once (`apply_due`). When two race, the first commit wins, and the other finds
nothing left to apply."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from uuid import UUID

from msgspec import Struct
from prometheus_client import Counter

from sessions.services.commits import write_of
from sessions.services.outcome import Caller, Device
from sessions.services.quotas import commit
from sessions.store import store
from sessions.store.store import Snapshot
from sessions.store.writes import Committed, HasListeners, LostRace, SessionMissing, StoreRefused
from synckairos.auth.principal import SYSTEM
from synckairos.engine import Decision, State, observe
from synckairos.engine.deadlines import is_due
from synckairos.engine.units import Instant
from synckairos.errors import ServiceUnavailable
from synckairos.outbox import Door
from synckairos.redis import client as redis_client
from synckairos.redis.procedures import Procedure, perform, run_many
from synckairos.telemetry import metrics

TIMEKEEPER = Caller(SYSTEM, request_id="", device=Device(Door.TIMEKEEPER))
"""The caller that the audit names for deadlines, whichever process has applied them."""
MAX_PORTIONS = 20
"""Most portions of overdue deadlines that one caller applies (20 x 256 transitions, some tenths of a second)."""
PORTION = 32
"""Most transitions of one session that the timekeeper applies at a time, since other sessions wait."""
LARGE = 100
"""The number of participants from which a frame costs more than the question whether anybody needs it."""


def catch_up(session_id: UUID, snapshot: Snapshot, *, if_full: StoreRefused | None = None) -> Procedure[Snapshot]:
    """Apply *and commit* every due deadline, and return the session as it is then: a version once shown stays true.

    Raises ServiceUnavailable when a session has more due than one caller should wait for: the portions that were
    applied stay, and the next caller continues from there. On a full store nothing can be committed: StoreFull, or with
    `if_full` the session as it was committed last.
    """
    for _ in range(MAX_PORTIONS):
        if snapshot.state is None or not is_due(snapshot.state, snapshot.now):
            return snapshot
        decision = observe(snapshot.state, snapshot.now)
        write = write_of(decision, snapshot.now, TIMEKEEPER)
        reply = yield from commit(write, if_full=if_full)
        match reply:
            case StoreRefused():
                return snapshot
            case LostRace():
                metrics.LOST_RACES.inc()
                snapshot = reply.snapshot
            case SessionMissing():
                snapshot = Snapshot(snapshot.now, None)
            case _:
                count_events(decision)
                snapshot = Snapshot(snapshot.now, write.state)
    if snapshot.state is None or not is_due(snapshot.state, snapshot.now):
        return snapshot
    raise ServiceUnavailable("The session has many deadlines to catch up with, and goes on doing so: ask again")


class DeadlineStatus(Enum):
    """The result of applying the deadlines of one session."""

    APPLIED = "applied"
    NOTHING_DUE = "nothing due"
    """Another process was faster, or the deadline has moved."""
    GONE = "gone"
    POSTPONED = "postponed"
    """The store refused; the session is unchanged."""
    BROKEN = "broken"
    """The state cannot be read, or the engine fails on it."""


class DeadlineResult(Struct, frozen=True):
    """The result for one session; `error` is the cause of a failure."""

    session_id: UUID
    status: DeadlineStatus
    error: Exception | None
    at_ms: Instant
    """The store's clock when the session was loaded."""
    state: State | None
    """The last state that was read or decided."""


async def apply_due(session_ids: Sequence[UUID]) -> list[DeadlineResult]:
    """Apply one portion of due deadlines in each session, all loads and all commits in one round trip each. Raises
    ServiceUnavailable."""
    return await run_many([_apply(session_id) for session_id in session_ids])


def _apply(session_id: UUID) -> Procedure[DeadlineResult]:
    state, at_ms = None, 0
    error: Exception | None = None
    try:
        snapshot = yield from perform(store.load(session_id))
        state, at_ms, status = snapshot.state, snapshot.now, DeadlineStatus.GONE
        if state is not None:
            decision = observe(state, at_ms, limit=PORTION)
            state = decision.state
            status = yield from _commit_due(decision, at_ms)
    except ServiceUnavailable:
        raise
    except redis_client.ERRORS as fault:
        status, error = DeadlineStatus.POSTPONED, fault
    except Exception as fault:  # noqa: BLE001 - a broken session must not stop the others
        status, error = DeadlineStatus.BROKEN, fault
    return DeadlineResult(session_id, status, error, at_ms, state)


def _commit_due(decision: Decision, now: Instant) -> Procedure[DeadlineStatus]:
    """Commit what has become due; the frame of a large session is only made when somebody listens."""
    if not decision.events:
        return DeadlineStatus.NOTHING_DUE
    unheard = len(decision.state.participants) >= LARGE and not redis_client.is_cluster()
    reply = yield from commit(write_of(decision, now, TIMEKEEPER, unheard=unheard))
    if isinstance(reply, HasListeners):
        reply = yield from commit(write_of(decision, now, TIMEKEEPER))
    if isinstance(reply, Committed):
        count_events(decision)
        return DeadlineStatus.APPLIED
    return DeadlineStatus.GONE if isinstance(reply, SessionMissing) else DeadlineStatus.NOTHING_DUE


def count_events(decision: Decision) -> None:
    """Add the events of a committed decision to the metrics."""
    for event in decision.events:
        _counter_of(event.name).inc()


@cache
def _counter_of(event: str) -> Counter:
    return metrics.TRANSITIONS.labels(event)
