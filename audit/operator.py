"""The name under which a management command is recorded, as an option of those commands."""

from __future__ import annotations

import getpass

from django.core.management.base import CommandError, CommandParser

from synckairos.auth.names import NAME_RULE, is_name


def add_operator_argument(parser: CommandParser) -> None:
    """Add `--by` to a command."""
    parser.add_argument("--by", help="the name that is recorded; that of the system's user by default")


def operator_name(given: str | None) -> str:
    """Return the name to record. Raises CommandError for one that is no name, and without any."""
    try:
        name = getpass.getuser() if given is None else given
    except (KeyError, OSError):  # a container may have no such user
        raise CommandError("The system's user has no name: say --by NAME.") from None
    if not is_name(name):
        raise CommandError(f"--by must be a name: {NAME_RULE}")
    return name
