"""Pages of a session's events, over all its epochs. A page never passes over an event that is written later."""

from __future__ import annotations

from msgspec import Struct

from audit import selectors
from audit.models import SyncCommit, SyncEvent, SyncSession


class RecordedEvent(Struct, frozen=True):
    """One event with the epoch of its session, and the commit that it came with; None for one of an older release."""

    row: SyncEvent
    epoch: str
    commit: SyncCommit | None


def events_after(session: SyncSession, sequence: int, limit: int) -> list[RecordedEvent]:
    """Return at most `limit` events after a number, in order, up to the first number that is not written yet.

    Raises selectors.HistoryIncomplete when an epoch that the session continues is not there.
    """
    found: list[RecordedEvent] = []
    for epoch, following in selectors.lineage(session):
        if following is not None and following <= sequence + len(found) + 1:
            continue  # this epoch has none of them
        rows = selectors.session_events(epoch, sequence + len(found))
        if following is not None:
            rows = rows.filter(sequence__lt=following)
        page = _without_gap(list(rows[: limit - len(found)]), sequence + len(found) + 1)
        found += _with_commits(epoch, page)
        is_complete = following is not None and sequence + len(found) + 1 == following
        if len(found) == limit or not is_complete:
            break
    return found


def _without_gap(rows: list[SyncEvent], first: int) -> list[SyncEvent]:
    """Return the rows before the first number that is missing."""
    for place, row in enumerate(rows):
        if row.sequence != first + place:
            return rows[:place]
    return rows


def _with_commits(session: SyncSession, rows: list[SyncEvent]) -> list[RecordedEvent]:
    versions = {row.commit_version for row in rows if row.commit_version is not None}
    commits = SyncCommit.objects.filter(session=session, version__in=versions).only(
        "version", "role", "door", "principal"
    )
    by_version = {commit.version: commit for commit in commits}
    return [
        RecordedEvent(row, session.epoch, None if row.commit_version is None else by_version.get(row.commit_version))
        for row in rows
    ]
