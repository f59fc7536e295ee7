"""One transaction for many commits. Writing a commit twice, late, or after newer ones changes nothing.

Locking the rows of the sessions orders two drains that meet. A commit above the version that a session's row shows is
newer than all that was written; only the others need a look at what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from django.db import DataError, IntegrityError, InternalError, NotSupportedError, transaction
from msgspec import Struct, field

from audit import bulk, probe
from audit.models import SyncEvent
from audit.projections import Placed, placed_commits, portions, project_participants, project_sessions
from audit.row_mapping import EVENT_FIELDS, Commit, Values


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


class Apart(Struct):
    """What has become of commits that were written apart from those that fail."""

    written: int = 0
    """New events."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """What was wrong with each that fails by itself, by entry id."""
    left: frozenset[str] = frozenset()
    """Entries that there was no time for, by id: the last ones."""


def write_apart(commits: Sequence[Commit], may_go_on: Callable[[], bool]) -> Apart:
    """Write commits, leaving out those that fail by themselves. `may_go_on` is asked before each transaction but the
    first, and obeyed once something has been achieved: else a slow database would never get anywhere.

    Raises RefusesAll when it is not theirs, and DatabaseError when the database cannot serve.
    """
    try:
        return Apart(written=write(commits))
    except FAULTS as fault:
        if not isinstance(fault, Diverged):
            _prove_that_others_are_taken(fault)
        if len(commits) == 1:
            return Apart(failed={commits[0].entry_id: fault})
    return _halved(commits, may_go_on)


def _prove_that_others_are_taken(fault: Exception) -> None:
    """Write a commit that nothing is wrong with, and take it back."""
    try:
        with transaction.atomic():
            write([probe.commit()])
            transaction.set_rollback(True)
    except FAULTS:
        raise RefusesAll from fault


def _halved(commits: Sequence[Commit], may_go_on: Callable[[], bool]) -> Apart:
    """Write commits that failed together, each half by itself, and so on."""
    result = Apart()
    waiting = _halves(commits)
    has_achieved = False
    while waiting:
        if not may_go_on() and has_achieved:
            result.left = frozenset(commit.entry_id for some in waiting for commit in some)
            break
        some = waiting.pop()
        try:
            result.written += write(some)
            has_achieved = True
        except FAULTS as fault:
            if len(some) > 1:
                waiting += _halves(some)
                continue
            result.failed[some[0].entry_id] = fault
            has_achieved = True
    return result


def _halves(commits: Sequence[Commit]) -> list[Sequence[Commit]]:
    """The first one last."""
    middle = len(commits) // 2
    return [commits[middle:], commits[:middle]]


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
