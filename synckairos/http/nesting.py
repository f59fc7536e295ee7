"""How deep a JSON text nests, before anybody decodes it: reading what nests without end needs a stack without end."""

from __future__ import annotations

import re

MAX_DEPTH = 128
"""Levels of objects and arrays in a body; the deepest that any field may hold is 100."""
_SHAPE = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""A string without an end goes to the end of the text, so that nothing is looked at twice."""


def is_too_deep(text: bytes) -> bool:
    """Whether it has more than MAX_DEPTH levels. Also for what is no JSON; brackets in strings do not count."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False  # nearly every body there is
    depth = 0
    for found in _SHAPE.finditer(text):
        sign = found[0]
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif sign in b"]}":
            depth -= 1
    return False
