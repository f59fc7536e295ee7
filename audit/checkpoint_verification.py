"""The verification of checkpoints: the log is whole and signed, and the database has every head that it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import UUID

from django.db import connection
from django.db.models import Max
from msgspec import Struct

from audit.checkpoint_log import CHECKPOINTS, LEAVES, NEWEST, Leaf, checkpoint_text, read_leaf
from audit.merkle_tree import MerkleTree
from audit.models import SyncCommit, SyncSession
from audit.row_mapping import SessionKey
from audit.tombstones import End, pruned_ends
from audit.verification_faults import Fault, Finding
from synckairos.auth.signed_notes import KeyUnknown, NoteKey, NoteRefused, note_key, open_note
from synckairos.conf import conf

_LEAVES = 500
"""Number of leaves that are compared with the database at once."""
_TEXT_LINES = 3


class LogFault(Exception):
    """The files of a log are not what was signed."""


class Checkpoint(Struct, frozen=True):
    """One signed checkpoint, as it is written."""

    note: str
    text: str

    @property
    def origin(self) -> str:
        """Return the name of the log."""
        return self.text.split("\n", 1)[0]

    @property
    def size(self) -> int:
        """Return the number of leaves. Raises ValueError."""
        return int(self.text.split("\n")[1])


class LogReader:
    """Reads a log from its beginning, and counts what it has read."""

    def __init__(self, directory: Path, keys: Collection[NoteKey] = ()) -> None:
        """`keys` are the public keys of former signing keys; those in use are known."""
        self._directory = directory
        self._keys = keys
        self.checkpoints = self.leaves = self.unsigned_leaves = 0
        self.of_unknown_keys = 0
        """Number of checkpoints that no known key has signed. Later ones cover their leaves."""

    def read(self) -> Iterator[Leaf]:
        """Yield the leaves that checkpoints cover. Raises LogFault where the log is not what was signed, or OSError."""
        tree = MerkleTree()
        is_known = True
        # Before the others, which a writer may add to meanwhile.
        path = self._directory / NEWEST
        newest = path.read_text() if path.exists() else None
        is_newest_there = newest is None
        with (self._directory / LEAVES).open("rb") as file:
            for checkpoint in _checkpoints(self._directory / CHECKPOINTS):
                is_known = self._is_signed(checkpoint)
                is_newest_there |= checkpoint.note == newest
                while tree.size < checkpoint.size and (line := file.readline()):
                    tree.append(line.rstrip(b"\n"))
                    yield _leaf(line, tree.size)
                self._expect_root(checkpoint, tree)
                self.checkpoints += 1
                self.leaves = tree.size
            self.unsigned_leaves = sum(1 for _ in file)
        if not is_known:
            raise LogFault("altered: no known key has signed the newest checkpoint")
        if not is_newest_there or not self.checkpoints:
            raise LogFault(f"truncated: the newest checkpoint is not among those in {CHECKPOINTS}")

    def _is_signed(self, checkpoint: Checkpoint) -> bool:
        own = [note_key(checkpoint.origin, key) for key in conf().signing_keys.keys]
        try:
            open_note(checkpoint.note, [*own, *self._keys])
        except KeyUnknown:
            self.of_unknown_keys += 1
            return False
        except NoteRefused as refused:
            raise LogFault(f"altered: the checkpoint of {checkpoint.size} leaves: {refused}") from None
        return True

    def _expect_root(self, checkpoint: Checkpoint, tree: MerkleTree) -> None:
        if tree.size < checkpoint.size:
            raise LogFault(f"truncated: a checkpoint covers {checkpoint.size} leaves, and there are {tree.size}")
        if tree.size > checkpoint.size or checkpoint.text != checkpoint_text(checkpoint.origin, tree):
            raise LogFault(f"altered: the first {checkpoint.size} leaves are not those of their checkpoint")


def _checkpoints(path: Path) -> Iterator[Checkpoint]:
    """Yield the checkpoints of a file; the last one may be unfinished after a crash."""
    lines: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            lines.append(line)
            if line == "\n" and lines.count("\n") > 1:
                note = "".join(lines[:-1])
                checkpoint = Checkpoint(note, note.partition("\n\n")[0] + "\n")
                if len(checkpoint.text.split("\n")) < _TEXT_LINES or not checkpoint.text.split("\n")[1].isdecimal():
                    raise LogFault("altered: a checkpoint cannot be read")
                yield checkpoint
                lines = []


def _leaf(line: bytes, number: int) -> Leaf:
    try:
        return read_leaf(line.rstrip(b"\n"))
    except ValueError:
        raise LogFault(f"altered: leaf {number} cannot be read") from None


class HeadComparison:
    """A comparison of signed heads with the database, which counts those that tombstones excuse."""

    def __init__(self, session_id: UUID | None = None) -> None:
        """`session_id` limits it to one session."""
        self._session_id = session_id
        self._told: set[SessionKey] = set()
        self.excused = 0
        """Number of heads that the database does not have, since retention has removed their sessions."""

    def findings(self, leaves: Iterator[Leaf]) -> Iterator[Finding]:
        """Yield what the database lacks of the heads in a log, one finding for each session."""
        some: list[Leaf] = []
        for leaf in leaves:  # each of them: a head that was signed later must not hide one that was signed before
            if self._session_id in {None, leaf.session_id}:
                some.append(leaf)
            if len(some) >= _LEAVES:
                yield from self._compare(some)
                some = []
        yield from self._compare(some)

    def _compare(self, leaves: list[Leaf]) -> Iterator[Finding]:
        rows = SyncSession.objects.filter(session_id__in={leaf.session_id for leaf in leaves})
        sessions = {(session_id, epoch): pk for pk, session_id, epoch in rows.values_list("pk", "session_id", "epoch")}
        keyed = [((leaf.session_id, leaf.epoch), leaf) for leaf in leaves]
        digests = _digests([(sessions[key], leaf.version) for key, leaf in keyed if key in sessions])
        differing: list[tuple[SessionKey, Leaf, bytes | None]] = []
        for key, leaf in keyed:
            found = digests.get((sessions[key], leaf.version), b"") if key in sessions else b""
            if found != leaf.digest:
                differing.append((key, leaf, found))
        ends = pruned_ends(key for key, _, _ in differing)  # after the rows: they are written before those go
        for key, leaf, found in differing:
            if found == b"" and _is_excused(leaf, ends.get(key)):  # a prune leaves no row
                self.excused += 1
            elif key not in self._told:
                self._told.add(key)
                yield _finding(leaf, sessions.get(key), found)


def _digests(places: list[tuple[int, int]]) -> dict[tuple[int, int], bytes | None]:
    """Return the digests of the commits of sessions (primary keys) at versions."""
    if not places:
        return {}
    quote = connection.ops.quote_name
    table = quote(SyncCommit._meta.db_table)  # noqa: SLF001 - public in spite of its name
    values = ", ".join(["(%s, %s)"] * len(places))
    sql = (  # of placeholders and the name of a table only
        f"WITH places (session, version) AS (VALUES {values})"  # noqa: S608
        f" SELECT c.session_id, c.version, c.digest FROM places JOIN {table} c"
        " ON c.session_id = places.session AND c.version = places.version"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [number for place in places for number in place])
        rows = cursor.fetchall()
    return {(session, version): None if digest is None else bytes(digest) for session, version, digest in rows}


def _finding(leaf: Leaf, session: int | None, found: bytes | None) -> Finding:
    def finding(version: int, fault: Fault, what: str) -> Finding:
        return Finding(str(leaf.session_id), leaf.epoch, version, fault, what)

    if session is None:
        return finding(leaf.version, Fault.MISSING, "a checkpoint has the session, which is not there")
    if found is None:
        return finding(leaf.version, Fault.ALTERED, "its digest was removed, which a checkpoint has")
    if found:
        return finding(leaf.version, Fault.FORKED, "a checkpoint has another digest of this commit")
    newest = SyncCommit.objects.filter(session_id=session).aggregate(newest=Max("version"))["newest"] or 0
    if newest < leaf.version:
        return finding(newest, Fault.TRUNCATED, f"a checkpoint has the session at version {leaf.version}")
    return finding(leaf.version, Fault.MISSING, "a checkpoint has this commit, which is not there")


def _is_excused(leaf: Leaf, end: End | None) -> bool:
    """Return true if a tombstone says that retention has removed the session, at this version or later."""
    return end is not None and (end.version > leaf.version or end == (leaf.version, leaf.digest))
