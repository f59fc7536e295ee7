"""Liveness of web processes and timekeepers: each reports itself to the state store, on the store's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synckairos.engine.units import Duration
from synckairos.redis.scripts import Call, Script

_SEEN = Script(Path(__file__).parent / "lua" / "seen.lua", allow_oom=True)


def report_alive(kind: str, process: str, within_ms: Duration = 0) -> Call[dict[str, Duration]]:
    """Report that a process is alive, and list the processes of its kind as `list_alive` does."""
    return Call(_SEEN, [kind], [process, within_ms, "0"], _parse_seen)


def report_stopped(kind: str, process: str) -> Call[dict[str, Duration]]:
    """Report that a process stops, so that the others count it as gone at once."""
    return Call(_SEEN, [kind], [process, 0, "1"], _parse_seen)


def list_alive(kind: str, within_ms: Duration) -> Call[dict[str, Duration]]:
    """List the processes of a kind (`keys.timekeepers()` or `keys.web_processes()`) that reported within
    this time, 60 s at most.

    The result maps the name of each process to the time since its last report, in milliseconds.
    """
    return Call(_SEEN, [kind], ["", within_ms, "0"], _parse_seen)


def _parse_seen(reply: list[Any]) -> dict[str, Duration]:
    return {name.decode(): int(ago_ms) for name, ago_ms in zip(reply[::2], reply[1::2], strict=True)}
