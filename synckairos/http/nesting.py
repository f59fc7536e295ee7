"""How deep a JSON text nests, before anybody decodes it: reading what nests without end needs a stack without end."""

from __future__ import annotations

import re

MAX_DEPTH = 128
"""Levels of objects and arrays in a body; the deepest that any field may hold is 100."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""One without an end goes to the end of the text, so that nothing is looked at twice."""
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(text: bytes) -> bool:
    """Whether it has more than MAX_DEPTH levels. Also for what is no JSON; brackets in strings do not count."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False  # nearly every body there is
    shape = _STRING.sub(b"", text).translate(_ALIKE, _OTHERS)
    levels = 0
    # Each time the innermost pairs go, all at once: far quicker than to look at each bracket.
    while levels <= MAX_DEPTH and len(shorter := shape.replace(b"[]", b"")) < len(shape):
        shape = shorter
        levels += 1
    return levels + len(shape.lstrip(b"]")) > MAX_DEPTH  # what is left was never closed
