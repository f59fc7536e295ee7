"""Events as CSV (RFC 4180: commas, CRLF, quotes around what needs them), with a header, in UTF-8.

No cell is a formula to a spreadsheet: a text that begins with = + - @, a tab or a carriage return gets an apostrophe in
front.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from msgspec.structs import astuple

from audit.exports.source import COLUMNS, ExportedEvent, Source
from synckairos.instants import as_iso

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_INSTANTS = (COLUMNS.index("at"), COLUMNS.index("committed_at"))


def encode(source: Source) -> Iterator[bytes]:
    """Yield the file in parts."""
    yield _lines([list(COLUMNS)])
    for rows in source.pages():
        yield _lines([_cells(row) for row in rows])


def _cells(row: ExportedEvent) -> list[Any]:
    cells = list(astuple(row))
    for place in _INSTANTS:
        cells[place] = as_iso(cells[place])
    return [safe(cell) if isinstance(cell, str) else cell for cell in cells]


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: list[list[Any]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
