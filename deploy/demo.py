"""`make demo`: two players and a spectator watch the same clocks, on a stack that exists for as long as the game."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from children import beginning
from demo_game import Game, new_game
from demo_view import show
from rich.console import Console

_ROOT = Path(__file__).resolve().parent.parent
_NOT_OURS = ("REDIS_URL", "DATABASE_URL", "HOST", "PROMETHEUS_MULTIPROC_DIR")
_STARTS_WITHIN_S = 60.0
_STOPS_WITHIN_S = 10.0
_LONGEST_S = 3600.0


def main() -> int:
    """Run the demo, and return the exit status."""
    parser = argparse.ArgumentParser(description="A short game on three screens.")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long they play (default 12)")
    seconds = parser.parse_args().seconds
    if not 1 <= seconds <= _LONGEST_S:
        parser.error(f"--seconds must be between 1 and {_LONGEST_S:g}")
    try:
        return asyncio.run(_demo(seconds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def _demo(seconds: float) -> int:
    console = Console()
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    if me is not None:
        loop.add_signal_handler(signal.SIGTERM, me.cancel)
    console.print("Starting a stack of its own for the game …")
    with tempfile.TemporaryDirectory(prefix="synckairos-demo-") as directory:
        async with _stack(Path(directory)) as (url, token), new_game(url, token) as game:
            drawing = asyncio.create_task(show(game, console))
            try:
                await game.play(seconds)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
            console.print(_summary(game), highlight=False)
    return 0


@asynccontextmanager
async def _stack(directory: Path) -> AsyncIterator[tuple[str, str]]:
    """Start a stack in a directory, and yield its address and a token."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    own = {"SYNCKAIROS_ENV": "development", "SYNCKAIROS_DATA_DIR": str(directory), "PORT": "0", "WEB_WORKERS": "1"}
    logs = directory / "logs.txt"
    with logs.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_ROOT / "deploy" / "up.py"),
            env={**kept, **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            start_new_session=True,
            preexec_fn=beginning(is_patient=False),  # no threads here
        )
    try:
        async with asyncio.timeout(_STARTS_WITHIN_S):
            told = await _told(process)
        if told is None:
            sys.exit(f"The stack did not start:\n{_text(logs)}")
        yield told
    finally:
        await _stopped(process)


async def _told(process: asyncio.subprocess.Process) -> tuple[str, str] | None:
    """Return the values of the ready block; None when there is none."""
    url = ""
    while process.stdout is not None and (line := (await process.stdout.readline()).decode().split()):
        if line[0] == "SyncKairos":
            url = line[-1]
        elif line[0] == "Token":
            return url, line[-1]
    return None


def _text(logs: Path) -> str:
    return logs.read_text(errors="replace")


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOPS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _summary(game: Game) -> str:
    latencies = game.latencies_ms()
    lines = [
        f"Moves                    {len(game.moved_s)}, by socket and by REST in turn",
        f"Version                  {game.screens[-1].state['version']}",
    ]
    if latencies:
        p50, p95 = (latencies[int((len(latencies) - 1) * part)] for part in (0.5, 0.95))
        lines.append(f"From switch to frame     p50 {p50:.1f} ms, p95 {p95:.1f} ms ({len(latencies)} frames)")
    return "\n".join([*lines, f"Largest difference       {game.worst_ms:.1f} ms between three screens' clocks"])


if __name__ == "__main__":
    sys.exit(main())
