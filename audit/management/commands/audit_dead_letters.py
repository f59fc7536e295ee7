"""`manage.py audit_dead_letters`: outbox entries that the audit could not write, each with the reason.

It lists them; `--send-again` puts them back into the outbox, `--delete` deletes them. See docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.management.base import CommandParser

from audit import dead_letters
from synckairos.dead_letter_command import DeadLetter, DeadLetterCommand, Selection


class Command(DeadLetterCommand):
    help = "List outbox entries that the audit could not take, send them again, or delete them."
    noun = "letters"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--waiting",
            action="store_true",
            help="also those that are tried again by themselves: refused by the database, or of a newer release",
        )

    def find(self, selection: Selection) -> Iterator[DeadLetter]:
        return filter(selection.matches, dead_letters.find(waiting=selection.waiting))

    def send_again(self, letters: Sequence[DeadLetter]) -> int:
        return dead_letters.send_again(letters)

    def delete(self, letters: Sequence[DeadLetter]) -> int:
        return dead_letters.delete(letters)

    def summary(self) -> str:
        counts = dead_letters.count_by_state()
        return (
            f"dead letters: {counts['dead']}; tried again by themselves: {counts['refused']} refused by the database, "
            f"{counts['newer']} of a newer release"
        )
