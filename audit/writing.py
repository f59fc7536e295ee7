"""One transaction for many commits. Writing a commit twice, late, or after newer ones changes nothing.

Locking the rows of the sessions orders two drains that meet. A commit above the version that a session's row shows is
newer than all that was written; only the others need a look at what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from django.db import DataError, IntegrityError, InternalError, NotSupportedError, transaction

from audit import bulk, probe
from audit.models import SyncEvent
from audit.projections import Placed, placed_commits, portions, project_participants, project_sessions
from audit.rows import EVENT_FIELDS, Commit, Values


class Diverged(Exception):
    """Another event is written under the same number: the store has lost commits and gone on from before them."""

    reason = "another event is written under the same number"


class RefusesAll(Exception):
    """The database takes no commit at all; `__cause__` says why."""


FAULTS = (DataError, IntegrityError, InternalError, NotSupportedError, ValueError, OverflowError, Diverged)
"""One of the commits is at fault, unless the database refuses every one. All other errors are the database's own."""

_event_values = itemgetter(*EVENT_FIELDS)
_TOLD_APART_BY = ("version", "type", "at", "committed_at", "request_id")


def write(commits: Sequence[Commit]) -> int:
    """Write commits, all or none; gives the number of events that were new.

    Raises one of FAULTS, or another DatabaseError when the database cannot serve.
    """
    with transaction.atomic():
        placed = placed_commits(commits)
        project_sessions(placed)
        project_participants(placed)
        return _append_events(placed)


def write_apart(commits: Sequence[Commit], meanwhile: Callable[[], object]) -> tuple[int, dict[str, Exception]]:
    """Write commits, leaving out those that fail by themselves; gives the number of new events, and what was wrong
    with those left out, by entry id. Calls `meanwhile` before each transaction but the first.

    Raises RefusesAll when it is not theirs, and DatabaseError when the database cannot serve.
    """
    try:
        return write(commits), {}
    except FAULTS as fault:
        if not isinstance(fault, Diverged):
            _prove_that_others_are_taken(fault)
        return _halved(commits, fault, meanwhile)


def _prove_that_others_are_taken(fault: Exception) -> None:
    """Write a commit that nothing is wrong with, and take it back."""
    try:
        with transaction.atomic():
            write([probe.commit()])
            transaction.set_rollback(True)
    except FAULTS:
        raise RefusesAll from fault


def _halved(
    commits: Sequence[Commit], fault: Exception, meanwhile: Callable[[], object]
) -> tuple[int, dict[str, Exception]]:
    """Write commits that failed together, each half by itself."""
    if len(commits) == 1:
        return 0, {commits[0].entry_id: fault}
    written = 0
    failed: dict[str, Exception] = {}
    middle = len(commits) // 2
    for half in (commits[:middle], commits[middle:]):
        meanwhile()
        try:
            written += write(half)
        except FAULTS as its_fault:
            more, its_failed = _halved(half, its_fault, meanwhile)
            written += more
            failed |= its_failed
    return written, failed


def _append_events(placed: Placed) -> int:
    """Add the events that are not there yet; gives their number. Raises Diverged."""
    new: dict[tuple[int, int], Values] = {}
    late: set[tuple[int, int]] = set()
    for shown, commit in placed:
        for values in commit.events:
            place = (shown.pk, values["sequence"])
            _expect_same(new.setdefault(place, values), values)
            if commit.version <= shown.version:
                late.add(place)
    for place, written in _written_events(late):
        _expect_same(written, new.pop(place))
    bulk.upsert(
        SyncEvent,
        ["session", *EVENT_FIELDS],
        [(pk, *_event_values(values)) for (pk, _), values in sorted(new.items())],
        unique=["session", "sequence"],
    )
    return len(new)


def _written_events(places: set[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Values]]:
    for portion in map(set, portions(sorted(places))):
        rows = SyncEvent.objects.filter(
            session_id__in={pk for pk, _ in portion}, sequence__in={sequence for _, sequence in portion}
        )
        for row in rows.values("session_id", "sequence", *_TOLD_APART_BY):
            if (place := (row["session_id"], row["sequence"])) in portion:
                yield place, row


def _expect_same(one: Values, other: Values) -> None:
    if one is not other and any(one[name] != other[name] for name in _TOLD_APART_BY):
        raise Diverged
