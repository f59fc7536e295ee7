"""`manage.py audit_retry`: try outbox entries again that were set aside, each shown with the reason.

Without arguments it lists all of them. It is `audit_dead_letters --waiting --send-again` in short; see
docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from audit.management.commands import audit_dead_letters
from synckairos.dead_letter_command import DEFAULT_LIMIT, DeadLetter


class Command(audit_dead_letters.Command):
    help = "Try outbox entries again that the audit could not take; without arguments, list them with the reasons."

    _is_json = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="try these entries again")
        parser.add_argument("--session", metavar="ID", help="try those of this session again")
        parser.add_argument("--all", action="store_true", help="try all of them again")
        parser.add_argument("--limit", type=int, help=f"at most so many ({DEFAULT_LIMIT} for a list, else all)")
        parser.add_argument("--json", action="store_true", help="show one JSON object a line, and no totals")

    def handle(self, *args: Any, **options: Any) -> None:
        is_retry = bool(options["ids"] or options["session"] or options["all"])
        self._is_json = options["json"]
        super().handle(*args, **{**options, "waiting": True, "send_again": is_retry, "delete": False})

    def send_again(self, letters: Sequence[DeadLetter]) -> int:
        """Show the entries, put them back into the outbox, and return how many still existed."""
        for letter in letters:
            self.stdout.write(letter.as_json() if self._is_json else letter.as_text())
        return super().send_again(letters)
