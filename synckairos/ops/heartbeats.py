"""Heartbeats of processes without a port: a file for each, which the probe on the same machine reads.

Files and not the store: a probe is about the process beside it, and a store that is away is no reason to restart that.
The module uses only the standard library and no settings, so that frequent probes cost little.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from synckairos import data_directory, locks

log = logging.getLogger(__name__)

STUCK_AFTER_S = {"timekeeper": 30.0, "worker": 60.0, "beat": 30.0}
"""Seconds without a heartbeat after which a process of a role is considered stuck."""
DIRECTORY_VARIABLE = "SYNCKAIROS_RUN_DIR"
_EVERY_S = 1.0
_WIDTH = 20
_ROOT = Path(__file__).resolve().parents[2]


def run_directory() -> Path:
    """Return the directory of the files: from the environment, or a temporary one for each data directory."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    data_dir = Path(os.environ.get("SYNCKAIROS_DATA_DIR") or _ROOT / "var").expanduser().absolute()
    return data_directory.temporary_directory(data_dir)


class Heartbeat:
    """Writes the heartbeats of one process."""

    def __init__(self, role: str) -> None:
        self.role = role
        self._last_s = float("-inf")
        self._descriptor: int | None = None
        self._has_begun = False

    def beat(self) -> None:
        """Record that the work goes on. More than one call a second costs almost nothing."""
        now_s = time.monotonic()
        if now_s - self._last_s < _EVERY_S:
            return
        self._last_s = now_s
        if not self._has_begun:
            self._has_begun = True
            self._descriptor = self._open()
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk must not stop the work
                os.pwrite(self._descriptor, f"{now_s:<{_WIDTH}.3f}".encode(), 0)

    def _open(self) -> int | None:
        directory, is_named = run_directory(), bool(os.environ.get(DIRECTORY_VARIABLE))
        try:
            (data_directory.make_directory if is_named else data_directory.make_private_directory)(directory)
            return locks.hold(directory / f"{self.role}-{os.getpid()}-{secrets.token_hex(4)}.beat")
        except OSError as error:
            log.warning("no signs of life for probes: %s cannot be written (%s)", directory, type(error).__name__)
            return None


class LastBeat(NamedTuple):
    """A living process, and the seconds since its last heartbeat; None before the first."""

    pid: int
    age_s: float | None


def last_beats(role: str) -> list[LastBeat]:
    """Return the last heartbeats of all living processes of a role on this machine, and remove files of ended ones."""
    found = []
    for path in run_directory().glob(f"{role}-*.beat"):
        match = re.fullmatch(rf"{role}-(\d+)-[0-9a-f]+", path.stem)
        with suppress(OSError):  # a file of another user
            if match is None or locks.is_free(path, remove=True):
                continue
            last = path.read_text().strip()
            found.append(LastBeat(int(match[1]), time.monotonic() - float(last) if last else None))
    return found
