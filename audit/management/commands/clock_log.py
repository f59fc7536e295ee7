"""`manage.py clock_log SESSION_ID`: the clock log of a session, from its events (docs/clock.md).

One line for each turn, as CSV or as JSON Lines; `--format comments` prints the clock comments of a game record.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.exports.game_record import comments
from audit.selectors import HistoryIncomplete, rebuilt_events, session_get
from synckairos.engine.clock_log import Turn, clock_log
from synckairos.instants import as_iso

FORMATS = ("csv", "jsonl", "comments")


class Command(BaseCommand):
    help = "Print the clock log of a session: for each turn the instants, the time used, and what was left afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session_id", type=UUID)
        parser.add_argument("--epoch", help="of several sessions that had this id one after the other; the newest")
        parser.add_argument("--format", choices=FORMATS, default="csv")

    def handle(self, *_args: Any, **options: Any) -> None:
        session = session_get(options["session_id"], options["epoch"])
        if session is None:
            raise CommandError("The audit has no such session.")
        try:
            turns = clock_log(rebuilt_events(session))
        except HistoryIncomplete as error:
            raise CommandError(f"Event {error} is not written yet: try again later.") from None
        _PRINTERS[options["format"]](turns)


def row_of(turn: Turn) -> dict[str, Any]:
    """Return a turn with instants as texts, and with its clock comments."""
    values = msgspec.to_builtins(turn)
    began_at, ended_at = as_iso(values.pop("began_ms")), as_iso(values.pop("ended_ms"))
    return {"began_at": began_at, "ended_at": ended_at, **values, "clk": turn.clk, "emt": turn.emt}


def _print_csv(turns: Sequence[Turn]) -> None:
    rows = [row_of(turn) for turn in turns]
    writer = csv.DictWriter(sys.stdout, rows[0] if rows else ["number"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_jsonl(turns: Sequence[Turn]) -> None:
    for turn in turns:
        print(msgspec.json.encode(row_of(turn)).decode())


def _print_comments(turns: Sequence[Turn]) -> None:
    for line in comments(turns):
        print(line)


_PRINTERS = {"csv": _print_csv, "jsonl": _print_jsonl, "comments": _print_comments}
