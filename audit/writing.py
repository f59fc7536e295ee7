"""One transaction for many commits. Writing a commit twice, late, or after newer ones changes nothing.

Locking the rows of the sessions orders two drains that meet. A commit above the version that a session's row shows is
newer than all that was written; only the others need a look at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from django.db import DataError, IntegrityError, transaction

from audit import bulk
from audit.models import SyncEvent
from audit.projections import Placed, placed_commits, portions, project_participants, project_sessions
from audit.rows import EVENT_FIELDS, Commit, Values


class Diverged(Exception):
    """Another event is written under the same number: the store has lost commits and gone on from before them."""


FAULTS = (DataError, IntegrityError, Diverged)
"""The commits are at fault, not the database; one of them is enough."""

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


def write_apart(commits: Sequence[Commit]) -> tuple[int, dict[str, Exception]]:
    """Write commits, leaving out those that fail by themselves; gives the number of new events, and what was wrong
    with those left out, by entry id.

    Raises DatabaseError when the database cannot serve.
    """
    try:
        return write(commits), {}
    except FAULTS as fault:
        if len(commits) == 1:
            return 0, {commits[0].entry_id: fault}
    middle = len(commits) // 2
    one, other = write_apart(commits[:middle]), write_apart(commits[middle:])
    return one[0] + other[0], one[1] | other[1]


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
