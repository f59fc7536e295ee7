"""`manage.py audit_hold SESSION_ID --reason …`: place a session under legal hold, or `--release` it.

A session under hold is neither pruned nor erased from. See docs/operations.md.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.holds import MAX_REASON_LENGTH, HoldRefused, set_hold
from audit.operator import add_operator_argument, operator_name


class Command(BaseCommand):
    help = "Place a session under legal hold, so that no retention and no erasure touches it, or release it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session_id", type=UUID)
        parser.add_argument("--release", action="store_true", help="end the hold")
        parser.add_argument("--reason", required=True, help="why; recorded with the name and the instant")
        add_operator_argument(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        reason: str = options["reason"].strip()
        if not 0 < len(reason) <= MAX_REASON_LENGTH:
            raise CommandError(f"--reason must have 1 to {MAX_REASON_LENGTH} characters.")
        by = operator_name(options["by"])
        try:
            set_hold(options["session_id"], is_held=not options["release"], reason=reason, by=by)
        except HoldRefused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write("released" if options["release"] else "under legal hold")
