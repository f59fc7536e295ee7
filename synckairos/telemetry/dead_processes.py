"""Numbers of processes that are no more, in the directory that processes share (`PROMETHEUS_MULTIPROC_DIR`).

What they had open is over: their gauges go. What they have counted goes on to count, in one file for all of them, so
that no total ever falls, and the directory does not grow with each process that ends. A process is dead when its lock
is free: process ids come again, and are the same in several containers.
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
"""Stands in the names of this process's files."""
_FILE_NAME = re.compile(r"(?P<kind>counter|histogram|summary|gauge_(?P<mode>[a-z]+))_(?P<process>\d+-[0-9a-f]{8})\.db")
_MERGED = "gone"


def mark_alive(directory: Path) -> None:
    """Say that this process lives, until it ends. Before it writes its first number."""
    locks.hold(_lock(directory, PROCESS_NAME))


def reading(directory: Path) -> AbstractContextManager[None]:
    """Within this nobody clears the directory: whoever reads it meets each count once."""
    return locks.locked(directory / "clearing.lock", shared=True)


def merge(directory: Path) -> None:
    """Take in what dead processes have left. One that is killed in here may count what they have counted twice."""
    with locks.locked(directory / "clearing.lock"):
        left: dict[str, list[Path]] = defaultdict(list)
        for path in directory.glob("*.db"):
            match = _FILE_NAME.fullmatch(path.name)
            if (
                match is not None
                and match["process"] != PROCESS_NAME
                and locks.is_free(_lock(directory, match["process"]))
            ):
                left[match["kind"]].append(path)
        for kind, paths in left.items():
            if not kind.startswith("gauge"):
                _merge_into(directory / f"{kind}_{_MERGED}.db", paths)
            for path in paths:
                path.unlink()
        for path in directory.glob("*.alive"):
            locks.remove_if_dead(path)


def _merge_into(total: Path, paths: Iterable[Path]) -> None:
    """Every number of these files is a sum: buckets are not cumulative there."""
    sums: dict[str, float] = defaultdict(float)
    for path in (*([total] if total.exists() else []), *paths):
        for key, value in _read_values(path):
            sums[key] += value
    draft = total.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written: Any = MmapedDict(str(draft))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    draft.replace(total)


def _read_values(path: Path) -> list[tuple[str, float]]:
    """What a file says; nothing when it cannot be read, for no scrape would be answered ever again: a machine that has
    lost its power may leave one empty."""
    try:
        return [(key, value) for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))]  # type: ignore[no-untyped-call]
    except (struct.error, ValueError, RuntimeError) as error:
        log.warning("counts of a dead process cannot be read", file=path.name, error=type(error).__name__)
        return []


def _lock(directory: Path, process: str) -> Path:
    return directory / f"{process}.alive"
