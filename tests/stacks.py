"""Whole stacks for the tests, as `make up` runs them: everything embedded, nothing shared with tests/servers.py."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import servers
from tests.conftest import bearer

STOPS_WITHIN_S = 60.0
_READY = re.compile(r"^SyncKairos is ready: (http://\S+)$", re.MULTILINE)
_TOKEN = re.compile(r"^ +Token +(\S+)$", re.MULTILINE)


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What somebody on a laptop has set: nothing but where the stack shall be."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "SYNCKAIROS_DATA_DIR": str(data_dir), "WEB_WORKERS": "1", **more}


@dataclass
class Stack:
    """One `deploy/up.py` with a data directory of its own."""

    data_dir: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="synckairos-stack-")))
    port: int = field(default_factory=servers.free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Stack:
        """Start it; `wait_ready` waits."""
        with self._said.open("wb") as said, self._logged.open("ab") as logged:
            self.process = subprocess.Popen(
                [sys.executable, "deploy/up.py"],
                cwd=servers.ROOT,
                env=environment(self.data_dir, PORT=str(self.port)),
                stdout=said,
                stderr=logged,
                start_new_session=True,
            )
        return self

    def wait_ready(self) -> Stack:
        """Wait for its ready line."""
        try:
            servers.wait_until(lambda: _READY.search(self.said()), servers.READY_WITHIN_S, "the stack is ready")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.logs()}") from None
        return self

    def client(self) -> httpx.Client:
        """A client with the address and the token of the ready block."""
        url, token = _READY.search(self.said()), _TOKEN.search(self.said())
        assert url is not None
        assert token is not None
        return httpx.Client(base_url=url[1], headers=bearer(token[1]), timeout=30)

    def signal(self, sig: signal.Signals) -> int:
        """Signal the supervisor alone, as a terminal or `kill` does; gives its exit status."""
        assert self.process is not None
        self.process.send_signal(sig)
        return self.process.wait(STOPS_WITHIN_S)

    def remove(self) -> None:
        """End it, whatever its state, and forget its data."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        servers.wait_until(lambda: not self.processes(), STOPS_WITHIN_S, "the processes are gone")
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def processes(self, having: str = "") -> list[int]:
        """The processes that know its data directory and have `having` in their command line."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._owns(entry, having)]

    def said(self) -> str:
        """Its standard output."""
        return self._said.read_text()

    def logs(self) -> str:
        """Its standard error."""
        return self._logged.read_text(errors="replace")

    def _owns(self, process: Path, having: str) -> bool:
        try:
            environ = (process / "environ").read_text(errors="replace")
            command = (process / "cmdline").read_text(errors="replace")
        except OSError:
            return False
        return str(self.data_dir) in environ + command and having in command

    @property
    def _said(self) -> Path:
        return self.data_dir / "ready.txt"

    @property
    def _logged(self) -> Path:
        return self.data_dir / "logs.txt"
