"""Recovery: the events that a reconnected client has missed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sessions.services.deadlines import catch_up
from sessions.services.outcome import Recovery
from sessions.services.pipeline import require_state
from sessions.store import store
from sessions.store.store import Snapshot
from sessions.store.writes import StoreRefused
from synckairos.auth.permissions import Action, authorize, check_scope
from synckairos.auth.principal import Principal
from synckairos.conf import conf
from synckairos.engine.deadlines import is_due
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.redis.procedures import Procedure, perform


def recover(session_id: UUID, reader: Principal, last_version: int | None, epoch: str | None) -> Procedure[Recovery]:
    """Return the session, and what a client at `last_version` has missed, if complete. Raises SessionNotFound."""
    check_scope(reader, session_id)
    while True:
        history = yield from perform(store.history(session_id))
        snapshot = Snapshot(history.now, history.state)
        state = require_state(session_id, snapshot)
        authorize(reader, Action.READ, state)
        if not is_due(state, history.now):
            break
        now = yield from catch_up(session_id, snapshot, if_full=StoreRefused())
        if now.state is state:
            break  # the store is full, so this is what there is to show
    missed = _missed(history, state, last_version, epoch)
    if missed is None or not _is_within_window(missed, history.now):
        return Recovery(state, history.now, recovered=False, missed=())
    return Recovery(state, history.now, recovered=True, missed=tuple(missed))


def _missed(history: store.History, state: State, last_version: int | None, epoch: str | None) -> list[Event] | None:
    """Return the events after a version, oldest first; None when some may be missing."""
    if last_version is None or epoch != state.epoch or last_version > state.version:
        return None
    missed: list[Event] = []
    reached = state.version
    for commit in history.commits:
        if reached <= last_version:
            break
        if commit.epoch != state.epoch or commit.version != reached:
            return None
        missed = [*commit.events, *missed]
        reached = commit.since_version
    if reached > last_version:
        return None
    return [event for event in missed if event.version > last_version]


def _is_within_window(missed: Sequence[Event], now: Instant) -> bool:
    """Return whether the settings allow to send all of these; otherwise the client gets the state alone."""
    if len(missed) > conf().recovery_events:
        return False
    return all(event.at_ms >= now - conf().recovery_age_ms for event in missed)
