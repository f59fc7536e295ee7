"""Events in the line protocol of InfluxDB: one point of `synckairos_event` for each.

Tags are the session, its mode and the type of the event; fields are numbers of the event and who caused it. The instant
is that at which the event took effect, in nanoseconds. The sequence number stands below the millisecond, so that no two
events of a session are one point, and a second export replaces the points of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from audit.exports.source import ExportedEvent, Source

_MEASUREMENT = "synckairos_event"
_NANOSECONDS_IN_MS = 1_000_000
_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_TEXT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " ", "\r": " "})
_LARGEST = 2**63 - 1


def encode(source: Source) -> Iterator[bytes]:
    """Yield the lines in parts, each of whole lines."""
    for rows in source.pages():
        yield "".join([f"{line(row)}\n" for row in rows]).encode()


def line(row: ExportedEvent) -> str:
    """Return an event as a line."""
    tags = "".join(
        f",{name}={value.translate(_TAG_ESCAPES)}"
        for name, value in (("session", row.session_id), ("mode", row.sync_mode), ("type", row.type))
    )
    fields = [f"sequence={row.sequence}i", f"version={row.version}i"]
    fields += [
        f'{name}="{value.translate(_TEXT_ESCAPES)}"'
        for name, value in (("epoch", row.epoch), ("principal", row.principal), ("role", row.role), ("door", row.door))
        if value
    ]
    fields += [f"{name}={value}i" for name, value in numbers_of(msgspec.json.decode(row.data))]
    fields.append(f"late_ms={row.committed_at - row.at}i")
    at_ns = row.at * _NANOSECONDS_IN_MS + row.sequence % _NANOSECONDS_IN_MS
    return f"{_MEASUREMENT}{tags} {','.join(fields)} {at_ns}"


def numbers_of(data: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the whole numbers among the fields of an event: durations, points, counts."""
    for name, value in data.items():
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            yield name, value
