"""Notation of time controls: one line of text for a control, or for the controls of several sides (docs/clock.md)."""

from __future__ import annotations

from synckairos.engine.notation.errors import NotationError
from synckairos.engine.notation.formatting import format_control, format_sides
from synckairos.engine.notation.parsing import MAX_LENGTH, MAX_SIDES, parse, parse_sides

__all__ = [
    "MAX_LENGTH",
    "MAX_SIDES",
    "NotationError",
    "format_control",
    "format_sides",
    "parse",
    "parse_sides",
]
