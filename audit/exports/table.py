"""The table of export formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct

from audit.exports import csv_lines, game_record, influx_lines, json_lines, parquet
from audit.exports.source import Source


class Format(Struct, frozen=True):
    """One format of exports."""

    content_type: str
    suffix: str
    """The end of a file name."""
    encode: Callable[[Source], Iterator[bytes]]
    """Function that yields the file in parts, and reads the source while it does."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format("text/csv; charset=utf-8; header=present", "csv", csv_lines.encode),
        "jsonl": Format("application/jsonl", "jsonl", json_lines.encode),
        "parquet": Format("application/vnd.apache.parquet", "parquet", parquet.encode),
        "influx": Format("text/plain; charset=utf-8", "lp", influx_lines.encode),
        "pgn": Format("application/vnd.chess-pgn; charset=utf-8", "pgn", game_record.encode),
    }
)
