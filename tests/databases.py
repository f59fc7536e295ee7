"""Databases of a test's own, which it may take away and bring back: PostgreSQL where it is installed, else SQLite."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

from tests.servers import free_port


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


class Postgres:
    """A PostgreSQL server with a database of its own."""

    kind = "PostgreSQL"

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Folders of pytest are for its own user, and their names are too long for a socket.
        self._directory = Path(tempfile.mkdtemp(prefix="synckairos-pg-"))
        self._port = free_port()
        self.url = f"postgres://synckairos@127.0.0.1:{self._port}/postgres"
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self._directory, "postgres")
        self._run("initdb", "--username", "synckairos", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        options = f"-p {self._port} -k {self._directory} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "--wait", "--log", str(self._directory / "log"), "start", "--options", options)

    def stop(self) -> None:
        """End it as a power cut would."""
        self._run("pg_ctl", "--mode", "immediate", "stop")

    def close(self) -> None:
        """End it for good."""
        self.stop()
        shutil.rmtree(self._directory)

    def take_away(self, duration_s: float) -> None:
        """Stop it, and start it again after this time."""
        self.stop()
        time.sleep(duration_s)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "--pgdata", str(self._directory / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd=self._directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Sqlite:
    """An SQLite file."""

    kind = "SQLite"

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._file = directory / "audit.sqlite3"
        self.url = f"sqlite:///{self._file}"

    def close(self) -> None:
        """Do nothing: there is no server."""

    def take_away(self, duration_s: float) -> None:
        """Lock it, so that nobody else can write, and unlock it after this time."""
        connection = sqlite3.connect(self._file, timeout=60, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(duration_s)
        connection.execute("ROLLBACK")
        connection.close()


def own_database(directory: Path) -> Postgres | Sqlite:
    """A new database; a file is in this new directory."""
    programs = postgres_programs()
    return Sqlite(directory) if programs is None else Postgres(programs)
