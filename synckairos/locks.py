"""File locks that processes hold for life: the operating system releases them at the end of the process, however it
ends.

So process ids are not compared, which are reused and repeat in several containers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def hold(path: Path) -> int:
    """Create a file and hold its lock until the process ends. Returns its descriptor. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # removed as a dead process's file, before it was locked


def is_free(path: Path, *, remove: bool = False) -> bool:
    """Return true when the process that held the lock has ended, or the file does not exist. With `remove`, the file of
    an ended process is removed."""
    try:
        with _open_file(path) as descriptor:
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
    """Hold the lock of a file in this context. With `shared`, other shared holders may hold it too."""
    with _open_file(path, create=True) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def _open_file(path: Path, *, create: bool = False) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
