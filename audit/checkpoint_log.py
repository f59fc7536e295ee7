"""The directory in which the checkpoints of one log are kept: what was written once is never changed there.

| File | Content |
|---|---|
| `leaves` | a line for each head of a chain: session id, epoch, version, digest |
| `checkpoints` | all checkpoints, the oldest first; each is a signed note and ends with a blank line |
| `checkpoint` | the newest one |
| `state.json` | the end of the other files, and the tree so far, for the next checkpoint only |

A checkpoint has the form of C2SP (https://c2sp.org/tlog-checkpoint). After a crash the next writer finds the leaves
that no checkpoint covers behind the end that `state.json` names, and cuts them off.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from audit.merkle_tree import MerkleTree
from synckairos import data_directory
from synckairos.auth import signed_notes
from synckairos.auth.signing_keys import SigningKey

LEAVES, CHECKPOINTS, NEWEST, _STATE = "leaves", "checkpoints", "checkpoint", "state.json"


class LogDamaged(Exception):
    """The files of a log do not belong together, so that nothing can be added."""


class Leaf(Struct, frozen=True):
    """The head of a chain when a checkpoint was made."""

    session_id: UUID
    epoch: str
    version: int
    digest: bytes

    def line(self) -> bytes:
        """Return the line of the leaf, without its end. The tree hashes these bytes."""
        return f"{self.session_id} {self.epoch} {self.version} {self.digest.hex()}".encode()


def read_leaf(line: bytes) -> Leaf:
    """Return the leaf of a line. Raises ValueError."""
    session_id, epoch, version, digest = line.decode().split(" ")
    return Leaf(UUID(session_id), epoch, int(version), bytes.fromhex(digest))


class State(Struct):
    """The facts that the next writer needs."""

    origin: str
    """Name of the log: the first line of its checkpoints, and the name of its keys."""
    commit_id: int = 0
    """Primary key of the last commit that was considered."""
    size: int = 0
    """Number of leaves so far."""
    subtrees: list[bytes] = []
    leaves_end: int = 0
    """Length of the leaves in bytes."""
    checkpoints_end: int = 0
    """Length of the checkpoints in bytes, without that of this state."""


def checkpoint_text(origin: str, tree: MerkleTree) -> str:
    """Return the text of a checkpoint: origin, size and root."""
    return f"{origin}\n{tree.size}\n{b64encode(tree.root()).decode()}\n"


class CheckpointLog:
    """The log in one directory, for the one process that has locked it."""

    def __init__(self, directory: Path, state: State) -> None:
        self._directory = directory
        self.state = state
        self._tree = MerkleTree(state.size, state.subtrees)

    def append(self, leaves: Iterable[Leaf], commit_id: int) -> None:
        """Add leaves for the commits up to a primary key. They last when this returns."""
        lines = []
        for leaf in leaves:
            line = leaf.line()
            self._tree.append(line)
            lines.append(line + b"\n")
        data = b"".join(lines)
        if data:
            _append(self._directory / LEAVES, data)
        state = self.state
        state.size, state.subtrees = self._tree.size, list(self._tree.subtrees)
        state.leaves_end += len(data)
        state.commit_id = commit_id
        self._save()

    def sign(self, key: SigningKey) -> str | None:
        """Write a checkpoint of the leaves so far and return it; None if the newest one covers them."""
        text = checkpoint_text(self.state.origin, self._tree)
        newest = self._directory / NEWEST
        if not self._tree.size or (newest.exists() and newest.read_text().startswith(text)):
            return None
        path = self._directory / CHECKPOINTS
        self.state.checkpoints_end = path.stat().st_size if path.exists() else 0
        self._save()
        note = signed_notes.sign(text, self.state.origin, key)
        _append(path, f"{note}\n".encode())
        _replace(newest, note.encode())
        return note

    def _save(self) -> None:
        _replace(self._directory / _STATE, msgspec.json.encode(self.state))


@contextmanager
def locked(directory: Path, issuer: str) -> Iterator[CheckpointLog | None]:
    """Lock the log of a directory, which is made if need be; None while another process has it. Raises OSError, or
    LogDamaged."""
    data_directory.make_directory(directory)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield _opened(directory, issuer)
    finally:
        os.close(descriptor)  # unlocks it


def _opened(directory: Path, issuer: str) -> CheckpointLog:
    path = directory / _STATE
    if not path.exists():
        if (directory / CHECKPOINTS).exists():
            raise LogDamaged(f"{_STATE} is missing")
        state = State(_new_origin(issuer))
    else:
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
            MerkleTree(state.size, state.subtrees)
        except (ValueError, msgspec.DecodeError) as error:
            raise LogDamaged(f"{_STATE} cannot be read") from error
    _cut(directory / LEAVES, state.leaves_end)
    _cut_unfinished(directory / CHECKPOINTS, state.checkpoints_end)
    return CheckpointLog(directory, state)


def _new_origin(issuer: str) -> str:
    """Return a name that no other log has: those of several machines must not be taken for one."""
    name = re.sub(r"[\s+]", "-", issuer.rsplit("://", maxsplit=1)[-1])
    return f"{name}/audit/{secrets.token_hex(4)}"


def _cut(path: Path, end: int) -> None:
    """Cut off what follows the end of a file. Raises LogDamaged when it is shorter."""
    size = path.stat().st_size if path.exists() else 0
    if size < end:
        raise LogDamaged(f"{path.name} is too short")
    if size > end:
        os.truncate(path, end)


def _cut_unfinished(path: Path, end: int) -> None:
    """Cut off a checkpoint after `end` that was not written to its end."""
    size = path.stat().st_size if path.exists() else 0
    if size < end:
        raise LogDamaged(f"{path.name} is too short")
    if size > end:
        with path.open("rb") as file:
            file.seek(end)
            if not file.read().endswith(b"\n\n"):
                os.truncate(path, end)


def _append(path: Path, data: bytes) -> None:
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_directory(path.parent)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
