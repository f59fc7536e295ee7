"""Files that belong to a process for as long as it lives: the kernel lets go of its lock when it dies, however it dies.

So nobody needs to ask whether a process id is still that of the same process, or of which container it is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def hold(path: Path) -> int:
    """Make a file and hold its lock until the process ends; gives its descriptor. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # removed as a dead process's file, before it was locked


def is_free(path: Path) -> bool:
    """Whether the process whose file this is lives no more, or there is no file."""
    return _if_free(path, remove=False)


def remove_if_dead(path: Path) -> bool:
    """The same, and then the file is gone."""
    return _if_free(path, remove=True)


def _if_free(path: Path, *, remove: bool) -> bool:
    try:
        with _opened(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if remove:
                path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Within this, nobody else is who wants the lock of this file, unless both share it."""
    with _opened(path, create=True) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path, *, create: bool = False) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
