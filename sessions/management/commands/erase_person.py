"""`manage.py erase_person USER_ID`: erase a person from sessions, audit, state store and accounts.

Exit status 1 when something had to be left. See docs/operations.md.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import personal_values
from audit.operator import add_operator_argument, operator_name
from audit.personal_values import Person
from sessions.erasure import erasing
from synckairos.auth.names import NAME_RULE, is_principal
from synckairos.errors import ServiceUnavailable
from synckairos.redis import client as redis_client


class Command(BaseCommand):
    help = "Erase a person from all sessions, the audit, the state store and the accounts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", help="the name of the person, as in user_id, owner and the sub of tokens")
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument("--cancel-live", action="store_true", help="cancel sessions of the person that go on")
        parser.add_argument("--quiet", action="store_true", help="no progress")
        add_operator_argument(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        user_id: str = options["user_id"]
        if not is_principal(user_id):
            raise CommandError(f"USER_ID must be a name: {NAME_RULE}")
        person, by = Person(user_id), operator_name(options["by"])
        if by == user_id:
            raise CommandError("--by must name another person: it is recorded.")
        try:
            if options["dry_run"]:
                self._tell_found(erasing.find(person))
            else:
                self._erase(person, by, options)
        except erasing.OwnsLive as refused:
            raise CommandError(f"{refused} With --cancel-live they are cancelled first.") from None
        except erasing.Refused as refused:
            raise CommandError(str(refused)) from None
        except ServiceUnavailable as away:
            raise CommandError(str(away)) from None
        except redis_client.ERRORS as error:
            if not redis_client.is_unavailable(error):
                raise
            raise CommandError(f"The state store cannot be reached ({type(error).__name__}).") from None

    def _erase(self, person: Person, by: str, options: dict[str, Any]) -> None:
        def tell(done: int, of: int) -> None:
            if not options["quiet"]:
                self.stderr.write(f"\r{done} of {of} sessions", ending="\n" if done == of else "")

        result = erasing.erase(person, by, cancel_live=options["cancel_live"], tell=tell)
        self.stdout.write(f"erased: {result.values} values in {result.sessions} sessions")
        self._tell_ids(personal_values.seats_by_id(person))
        for session_id in result.held:
            self.stdout.write(f"left, since it is under legal hold: {session_id}")
        for session_id in result.unreadable:
            self.stdout.write(f"left, since this release cannot read an event of it: {session_id}")
        if result.held or result.unreadable:
            raise CommandError("Not everything was erased.")

    def _tell_found(self, found: erasing.Found) -> None:
        self.stdout.write(
            f"would be erased from {len(found.written)} sessions of the audit and {len(found.stored)} in the store; "
            f"live sessions of the person: {len(found.owned)}"
        )
        for session_id in found.owned:
            self.stdout.write(f"live: {session_id}")
        self._tell_ids(found.ids)

    def _tell_ids(self, seats: int) -> None:
        if seats:
            self.stdout.write(f"stays: {seats} seats have this id as their participant_id")
