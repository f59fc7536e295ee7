"""The data directory of a machine: state, password hashes, admin sessions and keys, for the user who runs SyncKairos
and for no other user.

This module uses only the standard library and no settings, since settings are read from the directory.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

UMASK = 0o077
"""Umask of all processes of a stack."""
_OWN_NAMES = (
    *("secret_key*", "signing_key*", "admin_password", "stack.lock", "*.sqlite3*", "beat-schedule*", "valkey.sock"),
    *("appendonlydir", "*.aof", "*.rdb", "metrics", "run", "checkpoints"),
)
"""Names of all files that a stack keeps in its data directory, unfinished secrets included."""


def make_directory(path: Path) -> Path:
    """Create the directory unless it exists. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def make_private_directory(path: Path) -> Path:
    """Create the directory unless it exists, and check that it belongs to this user. Raises OSError.

    Among the temporary files another user may have created it, to forge or to read its content.
    """
    make_directory(path)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to somebody else")
    return path


def temporary_directory(data_dir: Path) -> Path:
    """Return a directory among the temporary files that belongs to a data directory."""
    digest = sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"synckairos-{os.getuid()}-{digest}"


def make_file(path: Path) -> None:
    """Create an empty file unless it exists. SQLite gives its mode to the files beside a database."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def restrict_modes(data_dir: Path, *, is_ours: bool) -> None:
    """Remove the access of other users to our files in a data directory, which an earlier build or another umask has
    left.

    The directory itself too, when `is_ours` says that it has no other use, or it holds nothing else. A home directory
    or the directory of temporary files stays unchanged, as do links and files of other users.
    """
    try:
        entries = list(data_dir.iterdir())
    except OSError:
        return  # the directory is missing or unreadable
    own = [entry for entry in entries if any(fnmatch(entry.name, pattern) for pattern in _OWN_NAMES)]
    for path in _walk(own):
        _restrict_mode(path)
    if is_ours or (own and len(own) == len(entries)):
        _restrict_mode(data_dir)


def _walk(entries: list[Path]) -> Iterator[Path]:
    for entry in entries:
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from entry.rglob("*")


def _restrict_mode(path: Path) -> None:
    with suppress(OSError):  # deleted meanwhile, or a file system without modes
        found = path.lstat()
        if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and found.st_mode & UMASK:
            path.chmod(stat.S_IMODE(found.st_mode) & ~UMASK)
