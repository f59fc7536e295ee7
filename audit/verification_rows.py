"""The rows that a verification reads: parts of long sessions, and many short sessions in two queries.

A part ends at the version that the session's row had when it was read first, since sessions go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Max, QuerySet
from msgspec import Struct
from msgspec.structs import replace

from audit.models import SyncCommit, SyncEvent, SyncSession
from audit.tombstones import pruned_ends
from synckairos import commit_chain

PART_VERSIONS = 2_000
"""Number of versions that one part covers at most, and the sum over the short sessions of one portion."""
PORTION_SESSIONS = 500
_PAGE = 1_000


class Part(Struct, frozen=True):
    """The versions of a session after `after`, up to `until`."""

    session: int
    """Primary key of the session's row."""
    session_id: UUID
    epoch: str
    version: int
    """Version of the session's row."""
    after: int
    until: int
    parent_epoch: str = ""
    """The epoch that the session's row names as its parent."""

    @property
    def is_last(self) -> bool:
        """Return true for the part that ends the session."""
        return self.until == self.version


class CommitRow(NamedTuple):
    """The columns of a commit."""

    session_id: int
    since_version: int
    version: int
    command_id: bytes
    committed_at: datetime
    principal: str
    role: str
    door: str
    request_id: str
    client_key: bytes
    address: bytes
    user_agent: bytes
    previous: bytes | None
    digest: bytes | None
    body: bytes | None
    salts: bytes


class EventRow(NamedTuple):
    """The columns of an event."""

    session_id: int
    sequence: int
    version: int
    type: str
    at: datetime
    committed_at: datetime
    data: Any
    principal: str
    request_id: str
    commit_version: int | None


def portions(sessions: QuerySet[SyncSession]) -> Iterator[tuple[Part, ...]]:
    """Yield the sessions in portions of about the same work: some short sessions, or one part of a long one."""
    portion: list[Part] = []
    size = 0
    columns = ("pk", "session_id", "epoch", "version", "parent_epoch")
    for pk, session_id, epoch, version, parent_epoch in _pages(
        sessions.order_by("pk").values_list(*columns), columns, "pk", 0
    ):
        if version > PART_VERSIONS:
            yield from ((part,) for part in _parts(Part(pk, session_id, epoch, version, 0, version, parent_epoch)))
            continue
        if portion and (size + version > PART_VERSIONS or len(portion) == PORTION_SESSIONS):
            yield tuple(portion)
            portion, size = [], 0
        portion.append(Part(pk, session_id, epoch, version, 0, version, parent_epoch))
        size += version
    if portion:
        yield tuple(portion)


def _parts(whole: Part) -> Iterator[Part]:
    """Yield the parts of a long session; one alone if it has events of releases before there was a chain, of which no
    row says where its commits end."""
    is_chained = [
        row.digest is not None and (row.previous or not row.since_version)
        for row in map(CommitRow._make, _commits().filter(session_id=whole.session)[:1])
    ]
    if not all(is_chained) or not is_chained:
        yield whole
        return
    for after in range(0, whole.version, PART_VERSIONS):
        yield replace(whole, after=after, until=min(after + PART_VERSIONS, whole.version))


def commit_before(part: Part) -> CommitRow | None:
    """Return the last commit before a part."""
    rows = _commits().filter(session_id=part.session, version__lte=part.after).reverse()[:1]
    return next(map(CommitRow._make, rows), None)


def rows_of(parts: Sequence[Part], sequence: int) -> Iterator[tuple[Part, Iterator[CommitRow], Iterator[EventRow]]]:
    """Yield each part with its commits, and its events after a sequence number, both in order. Later ones follow, for
    sessions go on."""
    if len(parts) == 1:
        [part] = parts
        commits = _pages(_commits().filter(session_id=part.session), CommitRow._fields, "version", part.after)
        events = _pages(_events().filter(session_id=part.session), EventRow._fields, "sequence", sequence)
        yield part, map(CommitRow._make, commits), map(EventRow._make, events)
        return
    keys = [part.session for part in parts]
    commits_by_session = _by_session(map(CommitRow._make, _commits().filter(session_id__in=keys)))
    events_by_session = _by_session(map(EventRow._make, _events().filter(session_id__in=keys)))
    for part in parts:
        commits_of, events_of = commits_by_session.get(part.session, []), events_by_session.get(part.session, [])
        yield part, iter(commits_of), iter(events_of)


def current_version(session: int) -> int | None:
    """Return the version that the row of a session has now; None when the row is not there."""
    return SyncSession.objects.filter(pk=session).values_list("version", flat=True).first()


def commit_at(session: int, version: int) -> CommitRow | None:
    """Return the first commit that reaches a version."""
    return next(map(CommitRow._make, _commits().filter(session_id=session, version__gte=version)[:1]), None)


def parent_digest(part: Part, version: int, claimed: bytes) -> bytes | None:
    """Return the digest of the commit of the parent at a version: empty without a chain, `claimed` where only a later
    end is known of a parent that was pruned, and None when the commit is neither there nor covered by a tombstone."""
    parent = {"session_id": part.session_id, "epoch": part.parent_epoch}
    commits = SyncCommit.objects.filter(session__in=SyncSession.objects.filter(**parent), version=version)
    for digest in commits.values_list("digest", flat=True):
        return bytes(digest or b"")
    key = part.session_id, part.parent_epoch
    end = pruned_ends([key]).get(key)  # after the rows: it is written before those go
    if end is not None and end.version >= version:
        return claimed if end.version > version else end.digest
    # Releases before there was a chain wrote no rows of commits at first.
    is_older = not claimed and SyncSession.objects.filter(**parent, version__gte=version).exists()
    return b"" if is_older else None


def sequence_after(commit: CommitRow | None) -> int:
    """Return the sequence number of the last event up to a commit; 0 without a commit."""
    if commit is None:
        return 0
    if commit.body is None:  # a release before there was a chain has made it, in the midst of an upgrade
        events = SyncEvent.objects.filter(session_id=commit.session_id, version__lte=commit.version)
        return events.aggregate(last=Max("sequence"))["last"] or 0
    try:
        return commit_chain.decode_events(commit_chain.events_in(bytes(commit.body)))[-1].sequence
    except (ValueError, IndexError, msgspec.DecodeError):
        return 0  # the part before says that this commit is wrong


def _commits() -> QuerySet[SyncCommit, tuple[Any, ...]]:
    return SyncCommit.objects.order_by("session_id", "version").values_list(*CommitRow._fields)


def _events() -> QuerySet[SyncEvent, tuple[Any, ...]]:
    return SyncEvent.objects.order_by("session_id", "sequence").values_list(*EventRow._fields)


def _by_session(rows: Iterable[Any]) -> dict[int, list[Any]]:
    return {session: list(some) for session, some in groupby(rows, attrgetter("session_id"))}


def _pages(
    rows: QuerySet[Any, tuple[Any, ...]], columns: tuple[str, ...], name: str, after: int
) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of a column that is unique among them, without a cursor that stays open."""
    place = columns.index(name)
    while True:
        page = list(rows.filter(**{f"{name}__gt": after})[:_PAGE])
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][place]
