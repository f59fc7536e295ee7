"""Limits of a JSON text, checked before it is decoded: depth of nesting and number of values; and the decoder.

A few bytes can become many objects: a body of 256 KiB has room for 87 000 empty ones, 6 MiB. Deep nesting needs a deep
stack. So brackets and commas are counted on the raw bytes, which costs microseconds.
"""

from __future__ import annotations

import math

import msgspec

MAX_DEPTH = 128
"""Levels of objects and arrays in a body; the deepest that any field may hold is 100."""
MAX_VALUES = 16_384
"""Values in a body, names not counted. All fields together hold fewer than 14 600: a thousand participants with six
values each, a thousand groups with three, and two objects of 4 KiB that consist of brackets."""
MAX_FRAME_VALUES = 256
"""Values in a socket's frame, the largest of which has six."""
LARGE_BYTES = 16_384
"""A longer body is large: it counts for more than one request, and is decoded beside the event loop."""
_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def size_error(text: bytes, most: int = MAX_VALUES) -> str | None:
    """Return the message for a text that exceeds a limit; None when it may be decoded.

    The text need not be valid JSON. Brackets and commas in strings do not count.
    """
    openings, values = _count_tokens(text)
    if openings <= MAX_DEPTH and values <= most:
        return None  # nearly every body
    bare = _without_strings(text)
    if _count_tokens(bare)[1] > most:
        return f"At most {most} values in all: send fewer items, or several requests."
    return f"At most {MAX_DEPTH} levels of nesting." if _is_too_deep(bare) else None


def may_have_too_many_values(text: bytes) -> bool:
    """Return true when a body may hold more than MAX_VALUES. The check is quick, and counts strings too."""
    return len(text) > MAX_VALUES and _count_tokens(text)[1] > MAX_VALUES


def _count_tokens(text: bytes) -> tuple[int, int]:
    """Return the number of opening brackets, and an upper bound of the number of values (brackets and commas)."""
    openings = text.count(b"[") + text.count(b"{")
    return openings, openings + text.count(b",")


def _without_strings(text: bytes) -> bytes:
    """Remove all strings; an unterminated one extends to the end of the text."""
    return b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _is_too_deep(bare: bytes) -> bool:
    shape = bare.translate(_TO_BRACKETS, _NOT_BRACKETS)
    levels = 0
    # Each turn removes all innermost pairs at once, which is far quicker than a loop over the brackets.
    while levels <= MAX_DEPTH and len(shorter := shape.replace(b"[]", b"")) < len(shape):
        shape = shorter
        levels += 1
    return levels + len(shape.lstrip(b"]")) > MAX_DEPTH  # what is left was never closed


def _parse_finite(number: str) -> float:
    """Parse a number. Raises ValueError beyond the range of a float."""
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"Number out of range: {number[:40]}")
    return value


decode = msgspec.json.Decoder(float_hook=_parse_finite).decode
"""Decode a JSON text. Raises msgspec.DecodeError for invalid JSON.

Python parses the floats: the decoder itself needs 8 µs for one such as `1e308`, 40 times as long.
"""
