"""What a JSON text may cost, judged before it is decoded: how deep it nests, how many values it holds; and its decoder.

A few bytes can become many objects: a body of 256 KiB has room for 87 000 empty ones, 6 MiB. Reading what nests without
end needs a stack without end. So the signs are counted on the raw bytes, which costs microseconds.
"""

from __future__ import annotations

import math

import msgspec

MAX_DEPTH = 128
"""Levels of objects and arrays in a body; the deepest that any field may hold is 100."""
MAX_VALUES = 16_384
"""Values in a body, names not counted. All fields together may hold fewer than 14 600: a thousand participants with six
signs each, a thousand groups with three, and two objects of 4 KiB that are nothing but brackets."""
MAX_FRAME_VALUES = 256
"""Values in a socket's frame, the largest of which has six."""
_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def size_error(text: bytes, most: int = MAX_VALUES) -> str | None:
    """What is too much about a text, in words for who has sent it; None when it may be decoded.

    Also for what is no JSON. Signs in strings do not count.
    """
    openings, values = _count_tokens(text)
    if openings <= MAX_DEPTH and values <= most:
        return None  # nearly every body there is
    bare = _without_strings(text)
    if _count_tokens(bare)[1] > most:
        return f"At most {most} values in all: send fewer items, or several requests."
    return f"At most {MAX_DEPTH} levels of nesting." if _is_too_deep(bare) else None


def may_have_too_many_values(text: bytes) -> bool:
    """Whether a body may hold more than MAX_VALUES, signs in strings included: a look that takes next to no time."""
    return len(text) > MAX_VALUES and _count_tokens(text)[1] > MAX_VALUES


def _count_tokens(text: bytes) -> tuple[int, int]:
    """How many arrays and objects begin, and with them and the commas the values: one follows each sign at most."""
    openings = text.count(b"[") + text.count(b"{")
    return openings, openings + text.count(b",")


def _without_strings(text: bytes) -> bytes:
    """What is outside of strings; one without an end goes to the end of the text."""
    return b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _is_too_deep(bare: bytes) -> bool:
    shape = bare.translate(_TO_BRACKETS, _NOT_BRACKETS)
    levels = 0
    # Each time the innermost pairs go, all at once: far quicker than to look at each bracket.
    while levels <= MAX_DEPTH and len(shorter := shape.replace(b"[]", b"")) < len(shape):
        shape = shorter
        levels += 1
    return levels + len(shape.lstrip(b"]")) > MAX_DEPTH  # what is left was never closed


def _parse_finite(number: str) -> float:
    """Raises ValueError beyond what a float can be."""
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"Number out of range: {number[:40]}")
    return value


decode = msgspec.json.Decoder(float_hook=_parse_finite).decode
"""The decoded text. Raises msgspec.DecodeError for what is no JSON.

Python reads the floats: the decoder by itself takes 8 µs for one such as `1e308`, 40 times as long.
"""
