"""Events as Parquet, in row groups of ROW_GROUP events. Needs pyarrow (requirements/parquet.txt)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from audit.exports.source import COLUMNS, ExportedEvent, Source

ROW_GROUP = 65_536
_NUMBERS = {"sequence", "version", "commit_version"}
_INSTANTS = {"at", "committed_at"}
_REPEATED = ["epoch", "sync_mode", "type", "principal", "role", "door"]
"""Columns with few different values, which stand in a dictionary."""
_PAGE_BYTES = 128 * 1024


class PyarrowMissing(Exception):
    """The library is not installed."""

    def __init__(self) -> None:
        super().__init__("Parquet needs pyarrow, which is not installed: pip install -r requirements/parquet.txt")


class Sink(io.RawIOBase):
    """A file that hands on what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Keep a copy of the data, and return its length."""
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def taken(self) -> list[bytes]:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return parts


def library() -> Any:
    """Return pyarrow, with its Parquet module. Raises PyarrowMissing."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an option, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise PyarrowMissing from None
    pa.set_memory_pool(pa.system_memory_pool())  # it keeps less for later than the default one
    return pa


def encode(source: Source) -> Iterator[bytes]:
    """Return the parts of the file. Raises PyarrowMissing at once."""
    return _parts(library(), source)


def _parts(pa: Any, source: Source) -> Iterator[bytes]:
    schema = pa.schema([_field(pa, name) for name in COLUMNS])
    sink = Sink()
    options = {"compression": "zstd", "use_dictionary": _REPEATED, "data_page_size": _PAGE_BYTES}
    with pa.parquet.ParquetWriter(sink, schema, **options) as writer:
        batches: list[Any] = []
        count = 0
        for rows in source.pages():
            batches.append(_batch(pa, schema, rows))
            count += len(rows)
            if count >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(batches, schema), row_group_size=count)
                batches.clear()
                count = 0
                yield from sink.taken()
        if batches:
            writer.write_table(pa.Table.from_batches(batches, schema), row_group_size=count)
    yield from sink.taken()


def _field(pa: Any, name: str) -> Any:
    if name in _INSTANTS:
        return pa.field(name, pa.timestamp("ms", tz="UTC"), nullable=False)
    if name in _NUMBERS:
        return pa.field(name, pa.int64(), nullable=name == "commit_version")
    return pa.field(name, pa.string(), nullable=False)


def _batch(pa: Any, schema: Any, rows: list[ExportedEvent]) -> Any:
    columns = ([getattr(row, name) for row in rows] for name in COLUMNS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
