"""`manage.py web`: one web process, REST and WebSockets. See docs/operations.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sessions.hub.hub import hub
from synckairos.ops import durability
from synckairos.webserver import server

APPLICATION = "config.asgi:application"


def serve(*, host: str = "127.0.0.1", port: int = 8000, fd: int | None = None) -> None:
    """Serve the product until a signal ends the process; `fd` is a listening socket that another process has opened."""
    durability.require_durable_store()
    server.serve(APPLICATION, hub, host=host, port=port, fd=fd)


class Command(BaseCommand):
    help = "Serve REST and WebSockets until told to stop."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
        parser.add_argument("--fd", type=int, help="a listening socket to use instead, inherited from a supervisor")

    def handle(self, *args: Any, **options: Any) -> None:
        serve(host=options["host"], port=options["port"], fd=options["fd"])
