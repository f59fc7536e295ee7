"""A web process whose wall clock a test moves, and whose constants may be others.

`python -m tests.clocked_web PORT FILE [MODULE.NAME=SECONDS]`; the file says how far the clock is ahead.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from importlib import import_module
from pathlib import Path


class WallClock:
    """How far the wall clock of such processes is ahead of the real one, in a file that they share with the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    @property
    def ahead_s(self) -> float:
        """In seconds."""
        ahead: float = struct.unpack_from("d", self._shared)[0]
        return ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        struct.pack_into("d", self._shared, 0, self.ahead_s + seconds)

    def reset(self) -> None:
        """Back to the real time."""
        struct.pack_into("d", self._shared, 0, 0.0)


def main() -> None:
    """Serve on that port, by that clock, with these constants."""
    clock, real = WallClock(Path(sys.argv[2])), time.time
    time.time = lambda: real() + clock.ahead_s

    import django  # noqa: PLC0415 - nothing may have taken hold of the real clock before

    django.setup()

    from sessions.management.commands.web import serve  # noqa: PLC0415

    for change in sys.argv[3:]:
        name, _, value = change.partition("=")
        module, _, constant = name.rpartition(".")
        assert hasattr(import_module(module), constant)
        setattr(import_module(module), constant, float(value))
    serve(port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
