"""What is said twice has no one meaning: what we would read, a proxy, a log or another library may read otherwise."""

from __future__ import annotations

import json
from typing import Any


class DuplicateName(ValueError):
    """A JSON object has a name twice."""


def check_unique_names(text: bytes | str, decoded: Any) -> None:
    """Raises DuplicateName when an object in a JSON text has a name twice. `decoded` is the same text, decoded.

    A decoder keeps one of the two without a word. Each name has a colon, so a text with as many colons as names were
    decoded has none twice; only if there are more (in strings, say) is it read once more, by a slower decoder.
    """
    colons = text.count(b":") if isinstance(text, bytes) else text.count(":")
    if colons == (len(decoded) if type(decoded) is dict else 0) or colons == _count_names(decoded):
        return
    json.loads(text, object_pairs_hook=_check_pairs)


def _count_names(decoded: Any) -> int:
    """How many names all objects have. Without recursion: a body nests deeper than Python may."""
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
