"""Events as JSON Lines: one object for each, with `data` as an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import asdict

from audit.exports.source import ExportedEvent, Source
from synckairos.instants import as_iso

_encoder = msgspec.json.Encoder()


def encode(source: Source) -> Iterator[bytes]:
    """Yield the file in parts."""
    for rows in source.pages():
        yield _encoder.encode_lines([_object(row) for row in rows])


def _object(row: ExportedEvent) -> dict[str, Any]:
    return asdict(row) | {
        "at": as_iso(row.at),
        "committed_at": as_iso(row.committed_at),
        "data": Raw(row.data.encode()),
    }
