"""The processes that are alive, as they tell the store: web processes and timekeepers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synckairos.engine.units import Duration
from synckairos.redis.scripts import Call, Script

_SEEN = Script(Path(__file__).parent / "lua" / "seen.lua", allow_oom=True)


def seen(process: str, within_ms: Duration, kind: str, *, leaves: bool = False) -> Call[dict[str, Duration]]:
    """Tell that a process is alive, or leaves ('' only asks); gives those of its kind (`keys.keepers()`, `keys.webs()`)
    that were seen within this time, a minute at most, with the time since each was seen."""
    return Call(_SEEN, [kind], [process, within_ms, "1" if leaves else "0"], _parse_seen)


def _parse_seen(reply: list[Any]) -> dict[str, Duration]:
    return {name.decode(): int(ago_ms) for name, ago_ms in zip(reply[::2], reply[1::2], strict=True)}
