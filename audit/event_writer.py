"""One transaction for many commits. A commit that is written twice, late, or after newer ones changes nothing.

Locks on the rows of the sessions put concurrent drains in an order. A commit with a higher version than the row of its
session is newer than all that was written; only the others need a comparison with the stored rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from django.db import DataError, IntegrityError, InternalError, NotSupportedError, transaction
from msgspec import Struct, field

from audit import bulk, probe, write_barrier
from audit.models import SyncCommit, SyncEvent, SyncSnapshot
from audit.projections import CommitsWithRows, lock_session_rows, portions, project_participants, project_sessions
from audit.row_limits import RowValues
from audit.row_mapping import COMMIT_FIELDS, EVENT_FIELDS, SNAPSHOT_FIELDS, Commit
from audit.tombstones import Pruned


class Diverged(Exception):
    """Another event has this number: the store lost commits, and went on from an earlier state."""

    reason = "another event is written under the same number"


class DatabaseRefusesAll(Exception):
    """The database accepts no commit at all; `__cause__` is the reason."""


FAULTS = (
    *(DataError, IntegrityError, InternalError, NotSupportedError, ValueError, OverflowError),
    *(Diverged, Pruned),
)
"""Errors of a commit, unless the database refuses every commit. All other errors are faults of the database."""
FINAL_FAULTS = (Diverged, Pruned)
"""Errors that no retry can mend."""

_event_values = itemgetter(*EVENT_FIELDS)
_commit_values = itemgetter(*COMMIT_FIELDS)
_snapshot_values = itemgetter(*SNAPSHOT_FIELDS)
_COMPARED_OF_COMMITS = ("since_version", "committed_at", "digest")
_COMPARED_FIELDS = ("version", "type", "at", "committed_at", "request_id")


def write(commits: Sequence[Commit]) -> int:
    """Write commits, all or none, and return the number of new events.

    Raises one of FAULTS, or another DatabaseError when the database cannot serve.
    """
    with transaction.atomic():
        write_barrier.enter()
        commits_with_rows = lock_session_rows(commits)
        project_sessions(commits_with_rows)
        project_participants(commits_with_rows)
        _append_commits(commits_with_rows)
        _append_snapshots(commits_with_rows)
        return _append_events(commits_with_rows)


class WriteResult(Struct):
    """The result of a write that isolates faulty commits."""

    written: int = 0
    """Number of new events that were written."""
    failed: list[tuple[Commit, Exception]] = field(default_factory=list)
    """The faulty commits, each with its error."""
    skipped: list[Commit] = field(default_factory=list)
    """The last commits, for which there was no time."""

    def of(self, commits: Sequence[Commit]) -> WriteResult:
        """Return the result for these of the commits, without the number of events."""
        if not self.failed and not self.skipped:
            return self
        own = set(map(id, commits))
        return WriteResult(
            failed=[(commit, fault) for commit, fault in self.failed if id(commit) in own],
            skipped=[commit for commit in self.skipped if id(commit) in own],
        )


def write_isolating_faults(commits: Sequence[Commit], may_continue: Callable[[], bool]) -> WriteResult:
    """Write commits without those that are faulty themselves.

    `may_continue` is called before each transaction but the first. Its result counts only after some progress, since
    otherwise a slow database would never make any. Raises DatabaseRefusesAll when no commit is at fault, and
    DatabaseError when the database cannot serve.
    """
    try:
        return WriteResult(written=write(commits))
    except FAULTS as fault:
        if not isinstance(fault, FINAL_FAULTS):
            _check_that_database_accepts(fault)
        if len(commits) == 1:
            return WriteResult(failed=[(commits[0], fault)])
    return _bisect(commits, may_continue)


def _check_that_database_accepts(fault: Exception) -> None:
    """Write a commit that is certainly correct, and roll it back."""
    try:
        with transaction.atomic():
            write([probe.commit()])
            transaction.set_rollback(True)
    except FAULTS:
        raise DatabaseRefusesAll from fault


def _bisect(commits: Sequence[Commit], may_continue: Callable[[], bool]) -> WriteResult:
    """Write commits that failed together, in halves of halves."""
    result = WriteResult()
    waiting = _halves(commits)
    has_progress = False
    while waiting:
        if not may_continue() and has_progress:
            result.skipped = [commit for some in waiting for commit in some]
            break
        some = waiting.pop()
        try:
            result.written += write(some)
            has_progress = True
        except FAULTS as fault:
            if len(some) > 1:
                waiting += _halves(some)
                continue
            result.failed.append((some[0], fault))
            has_progress = True
    return result


def _halves(commits: Sequence[Commit]) -> list[Sequence[Commit]]:
    """Return the two halves, the first one last."""
    middle = len(commits) // 2
    return [commits[middle:], commits[:middle]]


def _append_commits(commits_with_rows: CommitsWithRows) -> None:
    """Insert the commits that are new. Raises Diverged for another one of the same version."""
    new: dict[tuple[int, int], RowValues] = {}
    late: set[tuple[int, int]] = set()
    for row, commit in commits_with_rows:
        place = (row.pk, commit.version)
        _expect_same_commit(new.setdefault(place, commit.commit), commit.commit)
        if commit.version <= row.version:
            late.add(place)
    for portion in map(set, portions(sorted(late))):
        rows = SyncCommit.objects.filter(session_id__in={pk for pk, _ in portion}, version__in={v for _, v in portion})
        for written in rows.values("session_id", "version", *_COMPARED_OF_COMMITS):
            if (place := (written["session_id"], written["version"])) in portion:
                _expect_same_commit(written, new.pop(place))
    bulk.upsert(
        SyncCommit,
        ["session", *COMMIT_FIELDS],
        [(pk, *_commit_values(values)) for (pk, _), values in sorted(new.items(), key=itemgetter(0))],
        unique=["session", "version"],
    )


def _expect_same_commit(one: RowValues, other: RowValues) -> None:
    if one is not other and any(_plain(one[name]) != _plain(other[name]) for name in _COMPARED_OF_COMMITS):
        raise Diverged


def _plain(value: Any) -> Any:
    """Return the bytes of a binary column as bytes, whatever the database gives."""
    return bytes(value) if isinstance(value, memoryview) else value


def _append_snapshots(commits_with_rows: CommitsWithRows) -> None:
    """Insert the snapshots of commits that are newer than all that was written.

    One of a commit that comes again is left out: an erasure may have deleted it (audit/erasure.py), and replay does
    without it.
    """
    new = {
        (row.pk, commit.version): commit.snapshot
        for row, commit in commits_with_rows
        if commit.snapshot and commit.version > row.version
    }
    bulk.upsert(
        SyncSnapshot,
        ["session", *SNAPSHOT_FIELDS],
        [(pk, *_snapshot_values(values)) for (pk, _), values in sorted(new.items(), key=itemgetter(0))],
        unique=["session", "version"],
    )


def _append_events(commits_with_rows: CommitsWithRows) -> int:
    """Insert the events that are new, and return their number. Raises Diverged."""
    new: dict[tuple[int, int], RowValues] = {}
    late: set[tuple[int, int]] = set()
    for row, commit in commits_with_rows:
        for values in commit.events:
            place = (row.pk, values["sequence"])
            _expect_equal(new.setdefault(place, values), values)
            if commit.version <= row.version:
                late.add(place)
    for place, written in _written_events(late):
        _expect_equal(written, new.pop(place))
    bulk.upsert(
        SyncEvent,
        ["session", *EVENT_FIELDS],
        [(pk, *_event_values(values)) for (pk, _), values in sorted(new.items())],
        unique=["session", "sequence"],
    )
    return len(new)


def _written_events(places: set[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], RowValues]]:
    for portion in map(set, portions(sorted(places))):
        rows = SyncEvent.objects.filter(
            session_id__in={pk for pk, _ in portion}, sequence__in={sequence for _, sequence in portion}
        )
        for row in rows.values("session_id", "sequence", *_COMPARED_FIELDS):
            if (place := (row["session_id"], row["sequence"])) in portion:
                yield place, row


def _expect_equal(one: RowValues, other: RowValues) -> None:
    if one is not other and any(one[name] != other[name] for name in _COMPARED_FIELDS):
        raise Diverged
