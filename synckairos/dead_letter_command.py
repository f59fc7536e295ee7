"""Base of management commands that list, send again and delete dead letters: work set aside because it failed.

The commands are `audit_dead_letters` and `sessions_set_aside`. Exit status 1 with a message when a store cannot serve,
or a named letter does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from msgspec import Struct

from synckairos.errors import ServiceUnavailable
from synckairos.ids import parse_uuid
from synckairos.redis import client as redis_client

DEFAULT_LIMIT = 50
"""Number of letters that are listed by default."""
BATCH_SIZE = 500
"""Number of letters that are sent again or deleted in one step."""


class DeadLetter(Struct, frozen=True):
    """One piece of work that was set aside."""

    name: str
    """The id that staff use for it."""
    state: str
    session_id: str
    """The session; empty when it is unknown."""
    since: datetime | None
    reason: str
    tries: int = 0
    location: Any = None
    """Location of the letter, for the command that lists it."""

    def as_json(self) -> str:
        """Return the letter as one line of JSON."""
        since = None if self.since is None else self.since.isoformat(timespec="milliseconds")
        return json.dumps(
            {
                "id": self.name,
                "state": self.state,
                "session_id": self.session_id or None,
                "since": since,
                "tries": self.tries,
                "reason": self.reason,
            }
        )

    def as_text(self) -> str:
        """Return the letter as one line of text."""
        since = "-" if self.since is None else f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.name}  {self.state}  session {self.session_id or '-'}  since {since}  {self.reason}"


class Selection(Struct, frozen=True):
    """The letters that a command is about; all of them without names and session."""

    names: frozenset[str]
    session_id: UUID | None
    waiting: bool

    def matches(self, letter: DeadLetter) -> bool:
        """Return true for a letter of the selection."""
        if self.session_id is not None and letter.session_id != str(self.session_id):
            return False
        return not self.names or letter.name in self.names


class DeadLetterCommand(BaseCommand):
    """A command over the letters that `find` yields, with `send_again` and `delete`."""

    noun = "things"

    def find(self, selection: Selection) -> Iterator[DeadLetter]:
        """Yield the selected letters, the oldest first. Letters that arrive meanwhile may be left out."""
        raise NotImplementedError

    def send_again(self, letters: Sequence[DeadLetter]) -> int:
        """Send the letters again, and return how many still existed."""
        raise NotImplementedError

    def delete(self, letters: Sequence[DeadLetter]) -> int:
        """Delete the letters, and return how many still existed."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return a text that follows the list."""
        return ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help=f"only these {self.noun}")
        parser.add_argument("--session", metavar="ID", help="only those of this session")
        parser.add_argument("--all", action="store_true", help="all of them, for --send-again and --delete")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--send-again", action="store_true", help="try them again")
        action.add_argument("--delete", action="store_true", help="delete them for good")
        parser.add_argument("--limit", type=int, help=f"at most so many ({DEFAULT_LIMIT} for a list, else all)")
        parser.add_argument("--json", action="store_true", help="list one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        selection = self._selection(options)
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be at least 1.")
        try:
            if options["send_again"] or options["delete"]:
                self._act(selection, options)
            else:
                self._list(selection, options)
        except ServiceUnavailable as away:
            raise CommandError(str(away)) from None
        except redis_client.ERRORS as error:
            if not redis_client.is_unavailable(error):
                raise
            raise CommandError(f"The state store cannot be reached ({type(error).__name__}).") from None

    def _selection(self, options: dict[str, Any]) -> Selection:
        session_id = None if options["session"] is None else parse_uuid(options["session"])
        if options["session"] is not None and session_id is None:
            raise CommandError("--session must be a UUID.")
        chosen = bool(options["ids"]) + bool(options["session"]) + options["all"]
        if (options["send_again"] or options["delete"]) and chosen != 1:
            raise CommandError("Say which: IDs, --session or --all.")
        return Selection(frozenset(options["ids"]), session_id, bool(options.get("waiting")))

    def _list(self, selection: Selection, options: dict[str, Any]) -> None:
        found = self.find(selection)
        missing = set(selection.names)
        for letter in islice(found, options["limit"] or DEFAULT_LIMIT):
            missing.discard(letter.name)
            self.stdout.write(letter.as_json() if options["json"] else letter.as_text())
        has_more = next(found, None) is not None
        if not options["json"]:
            if has_more:
                self.stdout.write("There are more: see --limit.")
            if summary := self.summary():
                self.stdout.write(summary)
        if missing and not has_more:
            raise CommandError(f"Not there: {', '.join(sorted(missing))}")

    def _act(self, selection: Selection, options: dict[str, Any]) -> None:
        act, verb = (self.delete, "deleted") if options["delete"] else (self.send_again, "sent again")
        found = islice(self.find(selection), options["limit"])
        number, missing = 0, set(selection.names)
        while letters := list(islice(found, BATCH_SIZE)):
            number += act(letters)
            missing -= {letter.name for letter in letters}
        self.stdout.write(f"{verb}: {number}")
        if missing and options["limit"] is None:
            raise CommandError(f"Not there: {', '.join(sorted(missing))}")
