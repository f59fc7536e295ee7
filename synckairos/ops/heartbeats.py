"""Signs of life of processes that serve nobody: a file for each, which the probe on the same machine reads.

A file and not the store: a probe is about the process beside it, and a store that is away is no reason to restart it.
Only the standard library, and no settings: a probe that is asked every few seconds must cost next to nothing.
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
"""Who gives signs of life, and after how many seconds without one it is taken for stuck."""
DIRECTORY_VARIABLE = "SYNCKAIROS_RUN_DIR"
_EVERY_S = 1.0
_WIDTH = 20
_ROOT = Path(__file__).resolve().parent.parent


def directory() -> Path:
    """Where the files are: as the environment says, or one for each data directory among the temporary files."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    data_dir = Path(os.environ.get("SYNCKAIROS_DATA_DIR") or _ROOT / "var").expanduser().absolute()
    return data_directory.temporary_directory(data_dir)


class Heartbeat:
    """What a process writes."""

    def __init__(self, role: str) -> None:
        self.role = role
        self._last_s = float("-inf")
        self._descriptor: int | None = None
        self._has_begun = False

    def beat(self) -> None:
        """The work goes on. Costs nothing more than once a second."""
        now_s = time.monotonic()
        if now_s - self._last_s < _EVERY_S:
            return
        self._last_s = now_s
        if not self._has_begun:
            self._has_begun = True
            self._descriptor = self._file()
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk is no reason to stop working
                os.pwrite(self._descriptor, f"{now_s:<{_WIDTH}.3f}".encode(), 0)

    def _file(self) -> int | None:
        place = directory()
        try:
            (
                data_directory.make_directory
                if os.environ.get(DIRECTORY_VARIABLE)
                else data_directory.make_private_directory
            )(place)
            return locks.hold(place / f"{self.role}-{os.getpid()}-{secrets.token_hex(4)}.beat")
        except OSError as error:
            log.warning("no signs of life for probes: %s cannot be written (%s)", place, type(error).__name__)
            return None


class LastBeat(NamedTuple):
    """A living process, and how long ago its work went on; None when it has not begun."""

    pid: int
    age_s: float | None


def last_beats(role: str) -> list[LastBeat]:
    """All living processes of a role on this machine. Forgets the dead."""
    found = []
    for path in directory().glob(f"{role}-*.beat"):
        match = re.fullmatch(rf"{role}-(\d+)-[0-9a-f]+", path.stem)
        with suppress(OSError):  # somebody else's
            if match is None or locks.remove_if_dead(path):
                continue
            written = path.read_text().strip()
            found.append(LastBeat(int(match[1]), time.monotonic() - float(written) if written else None))
    return found
