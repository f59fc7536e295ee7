"""Refusal of JSON objects with duplicate names: other programs may read another of the two values."""

from __future__ import annotations

import json
from typing import Any


class DuplicateName(ValueError):
    """Raised when a JSON object has a name twice."""


def check_unique_names(text: bytes | str, decoded: Any) -> None:
    """Raises DuplicateName when an object in a JSON text has a name twice. `decoded` is the same text, decoded.

    A decoder silently keeps one of two values. Each name has a colon, so a text with as many colons as decoded names
    has no duplicate. A text with more colons (some are in strings) is decoded once more by a slower decoder.
    """
    colons = text.count(b":") if isinstance(text, bytes) else text.count(":")
    if colons == (len(decoded) if type(decoded) is dict else 0) or colons == _count_names(decoded):
        return
    json.loads(text, object_pairs_hook=_check_pairs)


def _count_names(decoded: Any) -> int:
    """Count the names of all objects, without recursion: a body may nest deeper than Python's stack allows."""
    count, waiting = 0, [decoded]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            count += len(item)
            waiting += item.values()
        elif type(item) is list:
            waiting += item
    return count


def _check_pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise DuplicateName("Object has a name twice")
