"""`manage.py issue_token SUBJECT [--staff] [--service]`: one bearer token on standard output, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from synckairos.auth.principal import mint


class Command(BaseCommand):
    help = "Print one bearer token for a subject."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subject", help="who the token speaks for; written to the audit")
        parser.add_argument("--staff", action="store_true", help="may moderate")
        parser.add_argument("--service", action="store_true", help="a program for many people, with limits of its own")
        parser.add_argument("--hours", type=float, default=12.0, help="validity (default 12)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["hours"] <= 0:
            raise CommandError("--hours must be positive.")
        lifetime = timedelta(hours=options["hours"])
        try:
            kinds = {"is_staff": options["staff"], "is_service": options["service"]}
            token = mint(options["subject"], lifetime=lifetime, **kinds)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(token)
