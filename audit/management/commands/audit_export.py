"""`manage.py audit_export`: events of the audit as a file, or sent to an InfluxDB (docs/operations.md)."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.completeness import complete_until
from audit.exports.influx_server import Rejected, send
from audit.exports.parquet import PyarrowMissing
from audit.exports.source import Selection, Source
from audit.exports.table import FORMATS
from audit.listing import Filters
from synckairos.conf import conf
from synckairos.engine.units import Status, SyncMode
from synckairos.instants import as_iso, from_iso

STANDARD_OUTPUT = "-"


class Command(BaseCommand):
    help = "Export events of the audit, in constant memory."
    requires_system_checks = ()  # they load the whole product, and a quarter of the memory is theirs

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "session_id", type=UUID, nargs="*", help="sessions; without any, all that the filters leave"
        )
        parser.add_argument("--format", choices=[*FORMATS], default="csv")
        parser.add_argument(
            "--output",
            default=STANDARD_OUTPUT,
            help="a file, or - for the standard output, or with --format influx the http(s) URL to write to",
        )
        parser.add_argument("--since", type=_instant, help="events committed at this instant (ISO 8601) or later")
        parser.add_argument("--until", type=_instant, help="events committed before this instant")
        parser.add_argument("--created-from", type=_instant, help="sessions created at this instant or later")
        parser.add_argument("--created-to", type=_instant, help="sessions created before this instant")
        parser.add_argument("--status", type=Status, choices=[*Status], help="sessions with this status")
        parser.add_argument("--mode", type=SyncMode, choices=[*SyncMode], help="sessions of this mode")
        parser.add_argument("--user", help="sessions in which this person takes part")
        parser.add_argument("--label", type=_label, help="sessions with this value in their metadata: key:value")

    def handle(self, *_args: Any, **options: Any) -> None:
        source = Source(_selection(options))
        as_of = complete_until()
        try:
            parts = FORMATS[options["format"]].encode(source)
            _write(parts, options["output"], options["format"])
        except (PyarrowMissing, Rejected) as error:
            raise CommandError(str(error)) from None
        complete = "unknown, the store cannot be reached" if as_of is None else as_iso(as_of)
        self.stderr.write(f"events: {source.events}; the audit was complete until: {complete}")


def _instant(text: str) -> datetime:
    return from_iso(text).astimezone(UTC)


def _label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon or key not in conf().metadata_index:
        raise ArgumentTypeError("must be key:value, with a key of SYNCKAIROS_METADATA_INDEX")
    return key, value


def _selection(options: dict[str, Any]) -> Selection:
    return Selection(
        session_ids=tuple(options["session_id"]),
        filters=Filters(
            status=options["status"],
            mode=options["mode"],
            created_from=options["created_from"],
            created_to=options["created_to"],
            user_id=options["user"],
            label=options["label"],
        ),
        since=options["since"],
        until=options["until"],
    )


def _write(parts: Iterator[bytes], output: str, format_name: str) -> None:
    if output.startswith(("http://", "https://")):
        if format_name != "influx":
            raise CommandError("Only --format influx can be sent to a URL.")
        send(output, conf().influx_token, parts)
    elif output == STANDARD_OUTPUT:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    else:
        _write_file(parts, Path(output))


def _write_file(parts: Iterator[bytes], path: Path) -> None:
    """Write a file whole or not at all. Only its owner can read it, since it names persons."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for part in parts:
                file.write(part)
        draft.replace(path)
    except OSError as error:
        raise CommandError(f"Cannot write {path}: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
