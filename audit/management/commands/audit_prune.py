"""`manage.py audit_prune --older-than 365d`: remove sessions that ended long ago, with all their rows.

See docs/operations.md.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit import pruning
from audit.operator import add_operator_argument, operator_name
from synckairos.conf import conf

DEFAULT_BATCH = 100
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    help = "Remove sessions that ended long ago from the audit; a tombstone of each stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=age, required=True, metavar="AGE", help="such as 365d, 52w or 48h")
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument("--batch", type=int, default=DEFAULT_BATCH, metavar="N", help="sessions at a time")
        parser.add_argument("--quiet", action="store_true", help="no progress")
        add_operator_argument(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        older_than: timedelta = options["older_than"]
        if older_than < timedelta(milliseconds=conf().finished_ttl_ms):
            raise CommandError("Sessions that ended so lately can still be in the state store.")
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        by = operator_name(options["by"])
        before = timezone.now() - older_than
        sessions, rows = 0, 0
        for session_ids in pruning.batches(before, options["batch"]):
            is_dry = options["dry_run"]
            done = pruning.count(session_ids) if is_dry else pruning.prune(session_ids, before, by)
            sessions, rows = sessions + done.sessions, rows + done.rows
            if not options["quiet"]:
                self.stderr.write(f"\r{sessions} sessions", ending="")
        if not options["quiet"]:
            self.stderr.write("")
        verb = "would be removed" if options["dry_run"] else "removed"
        self.stdout.write(f"{verb}: {sessions} sessions, {rows} other rows; under legal hold: {pruning.held(before)}")


def age(text: str) -> timedelta:
    """Return the duration of a text such as `365d`. Raises ArgumentTypeError for other texts."""
    match = re.fullmatch(r"([1-9]\d{0,5})([hdw])", text)
    if match is None:
        raise ArgumentTypeError("expected a number with h, d or w, such as 365d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
