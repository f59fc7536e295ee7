"""Web processes beside those of a stack: the floor, and more of the product, each group on one listening socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack import ROOT

PRODUCT = ["manage.py", "web", "--fd"]
UNCHECKED = ["benchmarks/unchecked_web.py"]
"""The product, which can be told not to check who asks, and what they may do."""
FLOOR = ["benchmarks/floor.py"]
_READY = b"serving"
"""What each of them logs when it accepts."""
_READY_WITHIN_S = 30.0
_ENDS_WITHIN_S = 15.0
_BACKLOG = 4096


@dataclass(frozen=True)
class Group:
    """Processes that serve one address."""

    host: str
    port: int
    pids: list[int]

    def tell(self, signum: signal.Signals) -> None:
        """Send all of them a signal."""
        for pid in self.pids:
            os.kill(pid, signum)

    def cpu_seconds(self) -> float:
        """Processor time that they have used so far."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    @property
    def open_files(self) -> list[int]:
        """How many each has open: shows how evenly connections are spread."""
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids]


@dataclass
class _Server:
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        ends_s = time.monotonic() + _READY_WITHIN_S
        while _READY not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > ends_s:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(_ENDS_WITHIN_S)


@contextmanager
def serving(script: list[str], env: dict[str, str], processes: int = 1) -> Iterator[Group]:
    """Start so many processes of a script that takes the number of an inherited listening socket as its last word."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener,
        tempfile.TemporaryDirectory(prefix="synckairos-bench-") as logs,
    ):
        servers = [_started(script, env, listener.fileno(), Path(logs) / f"{n}.log") for n in range(processes)]
        try:
            for server in servers:
                server.wait_until_ready()
            yield Group("127.0.0.1", listener.getsockname()[1], [server.process.pid for server in servers])
        finally:
            for server in servers:
                server.stop()


def _started(script: list[str], env: dict[str, str], fd: int, log: Path) -> _Server:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *script, str(fd)], cwd=ROOT, env=env, pass_fds=(fd,), stdout=output, stderr=output
        )
    return _Server(process, log)
