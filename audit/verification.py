"""The verification of chains: what is written is what was committed, or the first row that is not is named.

A chain is verified from its rows alone: each digest covers the one before and the canonical form of the commit
(synckairos/commit_chain.py), and the rows of the commit and of its events have to say the same as that form
(audit/commit_checks.py). Commits of releases before there was a chain are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from audit.commit_checks import Committed, check_events, read_committed
from audit.models import SyncSession
from audit.verification_faults import UNREADABLE, Broken, Fault, Finding, Verified
from audit.verification_rows import (
    CommitRow,
    EventRow,
    Part,
    commit_before,
    current_version,
    parent_digest,
    rows_of,
    sequence_after,
)
from synckairos.engine.events import Event

__all__ = ["Broken", "Fault", "Finding", "Verified", "Waiting", "verify", "verify_parts"]


class Waiting(Struct, frozen=True):
    """A commit that is not written yet, since its entry waits in the outbox."""

    version: int
    previous: bytes
    digest: bytes


def verify(session: SyncSession, waiting: Mapping[int, Waiting] | None = None) -> Verified:
    """Verify the chain of one session, up to its first fault. `waiting` are commits that are not written yet, by the
    version that each follows."""
    part = Part(
        session.pk, session.session_id, session.epoch, session.version, 0, session.version, session.parent_epoch
    )
    return verify_parts([part], waiting)[0]


def verify_parts(parts: Sequence[Part], waiting: Mapping[int, Waiting] | None = None) -> list[Verified]:
    """Verify one part of a session, or several whole sessions, each up to its first fault."""
    before = commit_before(parts[0]) if len(parts) == 1 and parts[0].after else None
    sequence = sequence_after(before)
    return [
        _Walk(part, before, sequence, events, waiting or {}).run(commits)
        for part, commits, events in rows_of(parts, sequence)
    ]


class _Walk:
    """A walk along the commits of one part."""

    def __init__(
        self,
        part: Part,
        before: CommitRow | None,
        sequence: int,
        events: Iterator[EventRow],
        waiting: Mapping[int, Waiting],
    ) -> None:
        self._part = part
        self._events = events
        self._next = next(events, None)
        """The next event, which no commit has taken yet."""
        self._waiting = waiting
        self._version = 0 if before is None else before.version
        self._digest = b"" if before is None or before.digest is None else bytes(before.digest)
        """Digest of the commit before; empty at the beginning, and after a commit without a chain."""
        self._sequence = sequence
        self._has_chain = before is not None
        self._last_unchained = before.version if before is not None and before.digest is None else None
        """Version of the last commit, if it has no digest."""
        self.verified = self.unchained = self.waited = 0

    def run(self, commits: Iterator[CommitRow]) -> Verified:
        """Verify the commits, up to the first fault."""
        finding = None
        try:
            self._walk(commits)
        except Broken as broken:
            part = self._part
            finding = Finding(str(part.session_id), part.epoch, broken.version, broken.fault, broken.what)
        return Verified(self._part.session, self.verified, self.unchained, finding, self.waited)

    def _walk(self, commits: Iterator[CommitRow]) -> None:
        for row in commits:
            if row.version > self._part.until:
                if self._part.is_last:
                    self._expect_newer_session(row)
                break
            try:
                self._step(row)
            except UNREADABLE as error:
                raise Broken(row.version, Fault.ALTERED, f"it cannot be read ({type(error).__name__})") from error
        if self._part.is_last:
            self._end()

    def _step(self, row: CommitRow) -> None:
        if row.digest is None:
            self._pass_unchained(row)
            return
        committed = read_committed(self._part, row)
        first, last = committed.events[0], committed.events[-1].sequence
        before = self._take(first.sequence - 1)
        if first.name == "session.restored" and not self._has_chain and not self.unchained:
            self._expect_none(before)
            self._expect_parent(row, first)
        elif row.previous:
            self._expect_none(before)
            self._expect_link(row)
        else:
            self._expect_beginning(row, before)
        events = self._take(last)
        check_events(self._part, row, committed, events)
        self._follow(row, committed, last)

    def _follow(self, row: CommitRow, committed: Committed, sequence: int) -> None:
        self.verified += len(committed.events)
        self._version, self._digest, self._sequence = row.version, bytes(row.digest or b""), sequence
        self._has_chain, self._last_unchained = True, None

    def _take(self, sequence: int) -> list[EventRow]:
        """Return the next events, up to a sequence number."""
        taken = []
        while self._next is not None and self._next.sequence <= sequence:
            taken.append(self._next)
            self._next = next(self._events, None)
        return taken

    def _expect_none(self, events: Sequence[EventRow]) -> None:
        for event in events:
            version = event.commit_version or event.version
            raise Broken(version, Fault.MISSING, f"the commit of event {event.sequence} is not there")

    def _expect_link(self, row: CommitRow) -> None:
        self._pass_waiting(row.since_version)
        if self._last_unchained is not None:
            raise Broken(self._last_unchained, Fault.ALTERED, "its digest was removed")
        if row.since_version > self._version:
            missing = f"versions {self._version + 1} to {row.since_version} are not there"
            raise Broken(row.version, Fault.MISSING, missing)
        if row.since_version < self._version or bytes(row.previous or b"") != self._digest:
            raise Broken(row.version, Fault.FORKED, "it follows another commit than the one before it")

    def _expect_parent(self, row: CommitRow, first: Event) -> None:
        """Compare the first commit of a restored session with the last one of its parent, or with its tombstone."""
        epoch = getattr(first, "parent_epoch", None)
        if epoch != self._part.parent_epoch:
            raise Broken(row.version, Fault.ALTERED, "the row of the session names another parent")
        previous = bytes(row.previous or b"")
        digest = parent_digest(self._part, row.since_version, previous)
        if digest is None:
            missing = f"it continues version {row.since_version} of epoch {epoch}, which is not there"
            raise Broken(row.version, Fault.MISSING, missing)
        if previous and not digest:
            raise Broken(row.version, Fault.ALTERED, f"the digest of the last commit of epoch {epoch} was removed")
        if digest != previous:
            raise Broken(row.version, Fault.FORKED, f"it continues another history than that of epoch {epoch}")

    def _expect_beginning(self, row: CommitRow, before: Sequence[EventRow]) -> None:
        """Check the first commit of a chain: all before it is of a release that made none."""
        self._pass_events(before)
        if self._part.parent_epoch and not self._has_chain and not self.unchained:
            raise Broken(row.version, Fault.ALTERED, "the row of the session names a parent, and nothing restored it")
        if self._digest:
            raise Broken(row.version, Fault.FORKED, "it begins another chain")
        if row.since_version > self._version:
            missing = f"versions {self._version + 1} to {row.since_version} are not there"
            raise Broken(row.version, Fault.MISSING, missing)
        if row.since_version < self._version:
            raise Broken(row.version, Fault.FORKED, "it follows another commit than the one before it")

    def _pass_unchained(self, row: CommitRow) -> None:
        """Count the events of a commit of a release before there was a chain."""
        if row.previous is not None or row.body is not None:
            raise Broken(row.version, Fault.ALTERED, "its digest was removed")
        while (event := self._next) is not None and event.commit_version in {None, row.version}:
            if self._version == row.version:
                break
            self._pass_events([event], row.version)
            self._next = next(self._events, None)
        if self._version != row.version:
            raise Broken(row.version, Fault.MISSING, "its events are not there")
        self._last_unchained = row.version

    def _pass_events(self, events: Sequence[EventRow], commit_version: int | None = None) -> None:
        """Count events of releases before there was a chain. They have only numbers without gaps to show."""
        for event in events:
            if event.commit_version is not None and event.commit_version != commit_version:
                self._expect_none([event])
            if event.sequence != self._sequence + 1:
                raise Broken(event.version, Fault.MISSING, f"event {self._sequence + 1} is not there")
            self._version, self._sequence, self._digest = event.version, event.sequence, b""
            self.unchained += 1

    def _pass_waiting(self, version: int) -> None:
        """Follow the commits that wait in the outbox, up to a version."""
        if not self._has_chain and not self.unchained and self._part.parent_epoch and self._waiting:
            since = min(self._waiting)  # its first commit waits too, and follows the last one of its parent
            self._version, self._digest = since, self._waiting[since].previous
        while self._version < version and (commit := self._waiting.get(self._version)) is not None:
            if commit.previous != self._digest:
                raise Broken(commit.version, Fault.FORKED, "its entry in the outbox follows another commit")
            self._version, self._digest = commit.version, commit.digest
            self.waited += 1

    def _expect_newer_session(self, row: CommitRow) -> None:
        """Check that the session's row, which is written with each commit, went on too."""
        version = current_version(self._part.session)
        if version is not None and row.version > version:
            raise Broken(row.version, Fault.ALTERED, f"the session's row is at version {version} only")

    def _end(self) -> None:
        rest = [event for event in self._take(2**63) if event.version <= self._part.version]
        if self._has_chain:
            if self._last_unchained is not None:
                raise Broken(self._last_unchained, Fault.ALTERED, "it has no digest, and the commits before it do")
            self._expect_none(rest)
        self._pass_events(rest)
        self._pass_waiting(self._part.version)
        if self._version < self._part.version:
            raise Broken(self._version, Fault.TRUNCATED, f"the session is at version {self._part.version}")
