"""A process of the stack: it is started, restarted when it dies, and stopped at the end."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
STABLE_AFTER_S = 10.0
"""Running time after which a process is not in a crash loop; its next restart comes after the first delay again."""
LOW_PRIORITY_NICE = 10
"""Niceness of processes that may wait."""
_PR_SET_PDEATHSIG = 1


def say(text: str) -> None:
    """Print a line of the supervisor among the logs of its children, in the form of those."""
    if os.environ.get("SYNCKAIROS_ENV") == "production":
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        sys.stderr.write(json.dumps({"event": text, "level": "info", "logger": "stack", "timestamp": now}) + "\n")
    else:
        sys.stderr.write(f"[stack] {text}\n")
    sys.stderr.flush()


def beginning(*, is_patient: bool) -> Callable[[], None] | None:
    """Return the function that a new child runs first. Linux only.

    It lets the kernel kill the child when its supervisor dies, even by SIGKILL. A child that may wait gets the
    processor when no other process needs it: by its niceness, and by that of its group, since the kernel divides time
    among sessions first (sched(7), autogroup).
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def begin() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it died before that
            os._exit(1)
        if is_patient:
            os.nice(LOW_PRIORITY_NICE)
            with suppress(OSError):  # a kernel without
                Path("/proc/self/autogroup").write_text(str(LOW_PRIORITY_NICE))

    return begin


@dataclass
class ChildEnvironment:
    """The environment that all children of one stack share."""

    env: dict[str, str]
    cwd: Path
    shared_fds: tuple[int, ...]

    async def spawn(
        self, command: list[str], stdout: int | None = None, *, is_patient: bool = False
    ) -> asyncio.subprocess.Process:
        """Start a process in its own session, so that Ctrl-C in the terminal reaches only the supervisor."""
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=self.cwd,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr if stdout is None else stdout,  # standard output is for the ready block
            pass_fds=self.shared_fds,
            start_new_session=True,
            preexec_fn=beginning(is_patient=is_patient),  # the supervisor has no threads
        )


@dataclass
class Child:
    """One process that runs for as long as the stack does."""

    name: str
    command: list[str]
    around: ChildEnvironment
    is_patient: bool = False
    """True if its work is never urgent."""
    process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _keeper: asyncio.Task[None] | None = None

    def start(self) -> Child:
        """Start the process, and restart it whenever it ends."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        return self

    async def stop(self, within_s: float) -> None:
        """Ask the process to end, and kill it after `within_s`."""
        if self._keeper is None:
            return
        self._stopping.set()
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._keeper}, timeout=within_s)
        if not self._keeper.done():
            say(f"{self.name} did not end within {within_s:g} s and is killed")
            self._signal(signal.SIGKILL)
        await self._keeper

    async def _keep(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run()
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= STABLE_AFTER_S:
                delay_s = FIRST_DELAY_S
            say(f"{self.name} ended ({_explain(status)}); it starts again in {delay_s:g} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def _run(self) -> int:
        self.process = process = await self.around.spawn(self.command, is_patient=self.is_patient)
        if self._stopping.is_set():  # asked to end while it began
            self._signal(signal.SIGTERM)
        status = await process.wait()
        self.process = None
        return status

    def _signal(self, sig: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, sig)


def _explain(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
