"""Metrics of ended processes, in the directory that processes share (`PROMETHEUS_MULTIPROC_DIR`).

Their gauges are removed. Their counts are merged into one file, so that no total falls and the directory does not grow.
A process has ended when its lock is free: process ids are reused, and are equal in several containers.
"""

from __future__ import annotations

import os
import re
import secrets
import struct
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict

from synckairos import locks
from synckairos.telemetry import logs

log = logs.get_logger(__name__)

PROCESS_NAME = f"{os.getpid()}-{secrets.token_hex(4)}"
"""Part of the names of this process's files."""
_FILE_NAME = re.compile(r"(?P<kind>counter|histogram|summary|gauge_(?P<mode>[a-z]+))_(?P<process>\d+-[0-9a-f]{8})\.db")
_MERGED = "gone"


def mark_alive(directory: Path) -> None:
    """Hold the lock of this process until it ends. Must be called before its first count."""
    locks.hold(_lock_file(directory, PROCESS_NAME))


def reading(directory: Path) -> AbstractContextManager[None]:
    """Return a context in which no other process merges files, so that a reader meets each count once."""
    return locks.locked(directory / "clearing.lock", shared=True)


def merge(directory: Path) -> None:
    """Merge the files of ended processes. A process that is killed meanwhile may leave some of their counts twice."""
    with locks.locked(directory / "clearing.lock"):
        ended: dict[str, list[Path]] = defaultdict(list)
        for path in directory.glob("*.db"):
            match = _FILE_NAME.fullmatch(path.name)
            process = match["process"] if match else PROCESS_NAME
            if match and process != PROCESS_NAME and locks.is_free(_lock_file(directory, process)):
                ended[match["kind"]].append(path)
        for kind, paths in ended.items():
            if not kind.startswith("gauge"):
                _merge_into(directory / f"{kind}_{_MERGED}.db", paths)
            for path in paths:
                path.unlink()
        for path in directory.glob("*.alive"):
            locks.is_free(path, remove=True)


def _merge_into(total: Path, paths: Iterable[Path]) -> None:
    """Add up the numbers of these files. All of them are sums, since buckets in files are not cumulative."""
    sums: dict[str, float] = defaultdict(float)
    for path in (*([total] if total.exists() else []), *paths):
        for key, value in _read_values(path):
            sums[key] += value
    draft = total.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    merged: Any = MmapedDict(str(draft))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        merged.write_value(key, value, 0.0)
    merged.close()
    draft.replace(total)


def _read_values(path: Path) -> list[tuple[str, float]]:
    """Return the numbers of a file, or none when it is unreadable, as a power failure may leave it. An error would fail
    all scrapes."""
    try:
        return [(key, value) for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))]  # type: ignore[no-untyped-call]
    except (struct.error, ValueError, RuntimeError) as error:
        log.warning("counts of a dead process cannot be read", file=path.name, error=type(error).__name__)
        return []


def _lock_file(directory: Path, process: str) -> Path:
    return directory / f"{process}.alive"
