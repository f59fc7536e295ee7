"""How large what a client asks for may be. The doors ask here, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

MIN_TIME_MS = 1_000
MAX_INCREMENT_MS = 60_000
MAX_WARNINGS = 8
MAX_INDEX = 1_000_000
MAX_VERSION = 2**53
MAX_OBJECT_BYTES = 4096
MAX_OBJECT_DEPTH = 100
"""Levels of nesting; far below what any reader of the stored form can follow."""


def object_problem(data: dict[str, Any]) -> str | None:
    """What is wrong with an object that is to be carried untouched; None when it can be."""
    if _is_deeper(data, MAX_OBJECT_DEPTH):
        return f"At most {MAX_OBJECT_DEPTH} levels of nesting."
    encoded = msgspec.json.encode(data)
    try:
        msgspec.msgpack.encode(data)
    except OverflowError:
        return "Integers beyond 64 bits are not supported."
    return f"At most {MAX_OBJECT_BYTES} bytes when encoded." if len(encoded) > MAX_OBJECT_BYTES else None


def _is_deeper(data: Any, levels: int) -> bool:
    """Whether there is anything below so many levels of objects and arrays. No recursion: that is the danger here."""
    layer = [data]
    for _ in range(levels):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return False
    return True


def _children(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()
