"""`manage.py web`: one web process, REST and WebSockets. See docs/operations.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sessions.serving.server import serve


class Command(BaseCommand):
    help = "Serve REST and WebSockets until told to stop."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
        parser.add_argument("--fd", type=int, help="a listening socket to use instead, inherited from a supervisor")

    def handle(self, *args: Any, **options: Any) -> None:
        serve(host=options["host"], port=options["port"], fd=options["fd"])
