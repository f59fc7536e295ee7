"""The verification of chains: what is written is what was committed, or the first row that is not is named.

A chain is verified from its rows alone: each digest covers the one before and the canonical form of the commit
(synckairos/commit_chain.py), and the rows of the commit and of its events have to say the same as that form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from audit.models import SyncCommit, SyncEvent, SyncSession
from synckairos import commit_chain
from synckairos.auth.principal import SYSTEM
from synckairos.engine.event_data import rebuild
from synckairos.engine.events import Event, SessionRestored
from synckairos.engine.units import Instant
from synckairos.instants import as_datetime, from_datetime

_CHUNK = 2_000


class Fault(StrEnum):
    """The kinds of faults in a chain."""

    ALTERED = "altered"
    """A row says something else than was committed."""
    MISSING = "missing"
    """A commit or an event that the chain has is not there."""
    REORDERED = "reordered"
    """Rows stand in each other's places."""
    TRUNCATED = "truncated"
    """The last rows are missing: the session's row has a later version."""
    FORKED = "forked"
    """A commit follows another one than the row before it."""


class Finding(Struct, frozen=True):
    """The first row that is wrong in a chain."""

    session_id: str
    epoch: str
    version: int
    """The version of the commit in question."""
    fault: Fault
    what: str

    def __str__(self) -> str:
        return f"{self.session_id} ({self.epoch}) version {self.version}: {self.fault}: {self.what}"


class Verified(Struct, frozen=True):
    """The result for one session."""

    events: int
    """Number of events whose chain was verified."""
    unchained: int
    """Number of events of releases before there was a chain."""
    finding: Finding | None


class _Facts(Struct, frozen=True):
    """The facts of a commit as the columns of its row say them."""

    session_id: UUID
    epoch: str
    since_version: int
    version: int
    committed_ms: Instant
    command_id: bytes
    due: int
    late: int
    role: str
    door: str
    request_id: str
    client_key: bytes
    address: bytes
    user_agent: bytes


class _Broken(Exception):
    def __init__(self, version: int, fault: Fault, what: str) -> None:
        super().__init__(what)
        self.version = version
        self.fault = fault
        self.what = what


def verify(session: SyncSession) -> Verified:
    """Verify the chain of one session, up to its first fault."""
    rows = SyncEvent.objects.filter(session=session).order_by("sequence").iterator(chunk_size=_CHUNK)
    by_commit = {version: list(events) for version, events in groupby(rows, attrgetter("commit_version"))}
    unchained = len(by_commit.pop(None, []))
    verified = 0
    try:
        for version, count in _verify_commits(session, by_commit):
            if version is None:
                unchained += count
            else:
                verified += count
        _expect_no_more(by_commit)
    except _Broken as broken:
        found = Finding(str(session.session_id), session.epoch, broken.version, broken.fault, broken.what)
        return Verified(verified, unchained, found)
    return Verified(verified, unchained, None)


def _expect_no_more(by_commit: dict[int | None, list[SyncEvent]]) -> None:
    for version in sorted(version for version in by_commit if version is not None):
        raise _Broken(version, Fault.MISSING, "the commit of these events is not there")


def _verify_commits(
    session: SyncSession, by_commit: dict[int | None, list[SyncEvent]]
) -> Iterator[tuple[int | None, int]]:
    """Yield each commit that is right: its version (None without a digest) and the number of its events."""
    last, previous, since, sequence = None, b"", 0, 0
    if session.parent_epoch:
        previous, since = _end_of_parent(session)
    for commit in SyncCommit.objects.filter(session=session).order_by("version").iterator(chunk_size=_CHUNK):
        events = by_commit.pop(commit.version, [])
        if commit.digest is None:
            last, since, sequence = commit, commit.version, events[-1].sequence if events else sequence
            yield None, len(events)
            continue
        begins = not previous if last is None else last.digest is None
        _verify_link(commit, previous, since, is_first=begins)
        _verify_facts(session, commit)
        _verify_events(commit, events, sequence)
        last, previous, since = commit, bytes(commit.digest), commit.version
        sequence = events[-1].sequence
        yield commit.version, len(events)
    if last is not None and last.version < session.version:
        raise _Broken(last.version, Fault.TRUNCATED, f"the session is at version {session.version}")


def _end_of_parent(session: SyncSession) -> tuple[bytes, int]:
    """Return digest and version of the commit of the parent epoch that a restored session continues. A parent that was
    pruned has none, and its digest cannot be compared."""
    first = SyncCommit.objects.filter(session=session).order_by("version").first()
    if first is None:
        return b"", 0
    parent = SyncCommit.objects.filter(
        session__session_id=session.session_id, session__epoch=session.parent_epoch, version=first.since_version
    ).first()
    _verify_parent(session, first)
    return (b"" if parent is None else bytes(parent.digest or b"")), first.since_version


def _verify_parent(session: SyncSession, first: SyncCommit) -> None:
    """Compare the parent that a session names with the one that its first event was committed with."""
    try:
        [event, *_] = commit_chain.decode_events(commit_chain.events_in(bytes(first.body or b"")))
    except (ValueError, msgspec.DecodeError):
        raise _Broken(first.version, Fault.ALTERED, "the canonical form cannot be read") from None
    if not isinstance(event, SessionRestored) or event.parent_epoch != session.parent_epoch:
        raise _Broken(first.version, Fault.ALTERED, "the session names another parent")


def _verify_link(commit: SyncCommit, previous: bytes, since: int, *, is_first: bool) -> None:
    if bytes(commit.digest or b"") != commit_chain.digest(bytes(commit.previous or b""), bytes(commit.body or b"")):
        raise _Broken(commit.version, Fault.ALTERED, "the digest is not that of the commit")
    if commit.since_version > since:
        raise _Broken(commit.version, Fault.MISSING, f"versions {since + 1} to {commit.since_version} are not there")
    if not is_first and bytes(commit.previous or b"") != previous:
        raise _Broken(commit.version, Fault.FORKED, "it follows another commit than the one before it")


def _verify_facts(session: SyncSession, commit: SyncCommit) -> None:
    """Compare the columns of a commit with what its canonical form says."""
    salts = bytes(commit.salts)
    salt = salts[: commit_chain.SALT_BYTES]
    principal: Any = commit.principal
    try:
        events = commit_chain.events_in(bytes(commit.body or b""))
        due, late = commit_chain.places_in(bytes(commit.body or b""))
    except ValueError:
        raise _Broken(commit.version, Fault.ALTERED, "the canonical form cannot be read") from None
    facts = _Facts(
        session_id=session.session_id,
        epoch=session.epoch,
        since_version=commit.since_version,
        version=commit.version,
        committed_ms=from_datetime(commit.committed_at),
        command_id=bytes(commit.command_id),
        due=due,
        late=late,
        role=commit.role,
        door=commit.door,
        request_id=commit.request_id,
        client_key=bytes(commit.client_key),
        address=bytes(commit.address),
        user_agent=bytes(commit.user_agent),
    )
    kept = commit_chain.kept_commitment(salt, principal)
    if commit_chain.canonical(facts, kept, events) != bytes(commit.body or b""):
        raise _Broken(commit.version, Fault.ALTERED, "a column of the commit says something else")


def _verify_events(commit: SyncCommit, rows: Sequence[SyncEvent], sequence: int) -> None:
    """Compare the rows of events with the events in the canonical form."""
    committed = commit_chain.decode_events(commit_chain.events_in(bytes(commit.body or b"")))
    if len(rows) < len(committed):
        there = {row.sequence for row in rows}
        missing = next(event.sequence for event in committed if event.sequence not in there)
        raise _Broken(commit.version, Fault.MISSING, f"event {missing} is not there")
    if len(rows) > len(committed):
        raise _Broken(commit.version, Fault.ALTERED, "it has more events than were committed")
    salts = commit_chain.Salts(_salts_of_events(commit))
    told = [_rebuilt(commit, row, salts) for row in rows]
    due, late = commit_chain.places_in(bytes(commit.body or b""))
    for place, (row, event, truth) in enumerate(zip(rows, told, committed, strict=True)):
        if event != truth:
            swapped = any(other == truth for other in told)
            fault = Fault.REORDERED if swapped else Fault.ALTERED
            raise _Broken(commit.version, fault, f"event {row.sequence} says something else than was committed")
        by_timekeeper = place < due or place >= len(rows) - late
        expected = SYSTEM.subject if by_timekeeper else commit.principal
        if (row.principal, row.request_id) != (expected, commit.request_id):
            raise _Broken(commit.version, Fault.ALTERED, f"event {row.sequence} names another principal or request")
        if row.committed_at != as_datetime(from_datetime(commit.committed_at)):
            raise _Broken(commit.version, Fault.ALTERED, f"event {row.sequence} has another instant of its commit")


def _salts_of_events(commit: SyncCommit) -> Iterator[bytes]:
    salts = bytes(commit.salts)
    size = commit_chain.SALT_BYTES
    for start in range(size, len(salts), size):
        yield salts[start : start + size]


def _rebuilt(commit: SyncCommit, row: SyncEvent, salts: commit_chain.Salts) -> Event:
    try:
        event = rebuild(
            row.type, sequence=row.sequence, version=row.version, at_ms=from_datetime(row.at), data=row.data
        )
        return commit_chain.sealed(event, salts)
    except (KeyError, StopIteration, RuntimeError, msgspec.ValidationError):
        raise _Broken(commit.version, Fault.ALTERED, f"event {row.sequence} cannot be read") from None
