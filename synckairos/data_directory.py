"""What a machine's data directory holds is for the user who runs SyncKairos, and for nobody else on that machine: live
state, password hashes, sessions of the admin, keys.

Only the standard library, and no settings: they are made of what is kept there.
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
"""Of all processes of a stack: what they make is for nobody else."""
_OWN_NAMES = (
    *("secret_key*", "signing_key*", "admin_password", "stack.lock", "*.sqlite3*", "beat-schedule*", "valkey.sock"),
    *("appendonlydir", "*.aof", "*.rdb", "metrics", "run"),
)
"""Names of all that a stack keeps in its data directory, secrets in the making included."""


def make_directory(path: Path) -> Path:
    """The directory, made if there was none. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def make_private_directory(path: Path) -> Path:
    """The same of one that has to be ours: among the temporary files somebody else may have made it, to be believed or
    to read along. Raises OSError."""
    make_directory(path)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to somebody else")
    return path


def temporary_directory(data_dir: Path) -> Path:
    """A directory among the temporary files for what cannot be, or need not be, in the data directory."""
    digest = sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"synckairos-{os.getuid()}-{digest}"


def make_file(path: Path) -> None:
    """Make an empty file unless there is one. SQLite gives what it keeps beside a database that one's mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def restrict_modes(data_dir: Path, *, is_ours: bool) -> None:
    """Take what a data directory holds of ours from all others, as an earlier build or another umask has left it.

    The directory itself too, when `is_ours` says that it is for nothing else, or nothing else is in it: in somebody's
    home or among the temporary files it stays as it is. Links, and what belongs to others, are not touched.
    """
    try:
        entries = list(data_dir.iterdir())
    except OSError:
        return  # the directory is missing or unreadable
    ours = [entry for entry in entries if any(fnmatch(entry.name, pattern) for pattern in _OWN_NAMES)]
    for path in _walk(ours):
        _restrict_mode(path)
    if is_ours or (ours and len(ours) == len(entries)):
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
