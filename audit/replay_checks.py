"""Proofs by replay: snapshots and the live state of a session are what its history leads to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from audit import past_states, selectors
from audit.models import SyncCommit, SyncSession
from synckairos.engine import evolve
from synckairos.engine.state import State


class Replay(Struct):
    """The result of a replay from the beginning."""

    state: State | None = None
    """The state after the last event, with its digest; None without any."""
    events: int = 0
    snapshots: int = 0
    """Number of snapshots that were compared."""
    different: list[int] = []
    """Versions of the snapshots that are not what the history leads to."""


def replay_and_compare(session: SyncSession) -> Replay:
    """Replay a session from its first event, and compare each snapshot with it. Raises HistoryIncomplete."""
    found = Replay()
    waiting = list(past_states.snapshots(session))
    digests = _digests(session, [row.version for row, _ in waiting])
    for event in selectors.rebuilt_events(session):
        found.state = evolve(found.state, event)
        found.events += 1
        while waiting and waiting[0][0].sequence == event.sequence:
            row, kept = waiting.pop(0)
            found.snapshots += 1
            if kept != replace(found.state, digest=digests.get((row.session_id, row.version), b"")):
                found.different.append(row.version)
    found.different += [row.version for row, _ in waiting]
    if found.state is not None:
        found.state = selectors.with_digest(session, found.state)
    return found


def _digests(session: SyncSession, versions: list[int]) -> dict[tuple[Any, int], bytes]:
    """Return the digests of commits by the key of their epoch and their version."""
    epochs = [epoch for epoch, _ in selectors.lineage(session)]
    rows = SyncCommit.objects.filter(session__in=epochs, version__in=versions)
    return {(row.session_id, row.version): bytes(row.digest or b"") for row in rows}
