"""A stack for one measurement: on a free port, in a temporary directory, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
_READY = "SyncKairos is ready: "
_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_PLACES_OFF = {
    **{f"SYNCKAIROS_{what}_PER_OWNER": "off" for what in ("SESSIONS", "SELF_RUNNING")},
    **{f"SYNCKAIROS_{what}_PER_SERVICE": "off" for what in ("SESSIONS", "SELF_RUNNING")},
    "SYNCKAIROS_RECORD_BYTES_PER_PERSON": "off",
}
"""One person has all the sessions here, and gives all the commands."""
LIMITS_ON = {
    **_PLACES_OFF,
    **{f"RATE_LIMIT_{kind}": "1000000/s" for kind in ("GENERAL", "SWITCH", "CREATE", "CONNECT", "FRAMES", "SERVICE")},
    "SYNCKAIROS_SOCKETS_PER_PRINCIPAL": "1000000",
    "SYNCKAIROS_SOCKETS_PER_SESSION": "1000000",
    "SYNCKAIROS_LOG_LEVEL": "INFO",
}
"""Every limit is looked at and none is met; logs are written as in everyday use."""


@dataclass(frozen=True)
class Stack:
    """A running stack: its address, and the directory with its store and its database."""

    url: str
    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    """What it was told besides its place."""

    @property
    def socket_path(self) -> Path:
        """Where its store listens."""
        return self.data_dir / "valkey.sock"

    def child_environment(self) -> dict[str, str]:
        """The whole environment of one more process of it."""
        told = {**self.environment(), **self.settings, "DJANGO_SETTINGS_MODULE": "config.settings"}
        return {**os.environ, **told, "PROMETHEUS_MULTIPROC_DIR": str(self.data_dir / "metrics")}

    def environment(self) -> dict[str, str]:
        """What a process needs to be part of it."""
        return {
            "SYNCKAIROS_ENV": "development",
            "SYNCKAIROS_DATA_DIR": str(self.data_dir),
            "SYNCKAIROS_LOG_LEVEL": "WARNING",
        }

    def attach(self) -> None:
        """Make this process part of it, so that the rooms can be imported and used."""
        os.environ.pop("REDIS_URL", None)
        os.environ.pop("DATABASE_URL", None)
        os.environ.update({**_PLACES_OFF, **self.settings, **self.environment()})
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        sys.path.insert(0, str(ROOT))
        django.setup()

    def pid_of(self, word: str) -> int:
        """The process of this stack whose command line has this word."""
        for pid, words in processes_of(self).items():
            if word in words:
                return pid
        raise LookupError(word)

    def cpu_seconds_of(self, word: str) -> float:
        """Processor time that a process has used so far."""
        fields = Path(f"/proc/{self.pid_of(word)}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_S


def processes_of(stack: Stack) -> dict[int, list[str]]:
    """The processes of a stack, each with the words of its command line."""
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {int(entry.name): _words(entry) for entry in entries if _belongs(entry, stack.data_dir)}


def _words(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_text().split("\0")
    except OSError:
        return []


def _belongs(entry: Path, data_dir: Path) -> bool:
    try:
        return f"SYNCKAIROS_DATA_DIR={data_dir}" in (entry / "environ").read_text().split("\0")
    except OSError:
        return False


@contextmanager
def running_stack(root: Path = ROOT, python: str = sys.executable, **settings: str) -> Iterator[Stack]:
    """A stack with one web process, quiet, without limits on requests; more settings as environment variables. Of this
    checkout, or of another one with its Python."""
    data_dir = Path(tempfile.mkdtemp(prefix="synckairos-bench-"))
    env = {
        **{name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL"}},
        **Stack("", data_dir).environment(),
        "PORT": "0",
        "WEB_WORKERS": "1",
        **_PLACES_OFF,
        **{f"RATE_LIMIT_{limit}": "off" for limit in ("GENERAL", "SWITCH", "CREATE", "CONNECT")},
        **settings,
    }
    with (data_dir / "stack.log").open("w") as log:
        process = subprocess.Popen(
            [python, "deploy/up.py"], cwd=root, env=env, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        ready = next((line for line in process.stdout if line.startswith(_READY)), None)
        if ready is None:
            raise RuntimeError((data_dir / "stack.log").read_text())
        yield Stack(ready.removeprefix(_READY).strip(), data_dir, settings)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)
        shutil.rmtree(data_dir, ignore_errors=True)
