"""`manage.py probe web|timekeeper|worker|beat`: exit status 0 when the process beside it works. See docs/operations.md.

`manage.py` gives the usual answer without Django (synckairos/ops/probes.py). This command gives the rest: whether a
process whose work stands still only waits for a store that is away or full. Then a restart would help nobody.
"""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from kombu import Connection

from synckairos.ops import probes
from synckairos.ops.store_facts import store_facts
from synckairos.redis import client as redis_client

_BROKER_TIMEOUT_S = 2


class Command(BaseCommand):
    help = "Say whether the process beside it works: exit status 0 or 1."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        probes.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        found = probes.probe(argparse.Namespace(**options))
        if found.is_healthy:
            self.stdout.write(found.text)
            return
        if not (found.is_stuck and _waits(options["role"])):
            raise CommandError(found.text)
        self.stdout.write(f"{found.text}; it waits for the store, which is away or full")


def _waits(role: str) -> bool:
    """Return true while a server that this role needs cannot serve."""
    try:
        is_full = store_facts().is_full
    except redis_client.ERRORS:
        return True
    return is_full or (role != "timekeeper" and not _is_broker_reachable())


def _is_broker_reachable() -> bool:
    """Return true when the broker accepts a connection."""
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": _BROKER_TIMEOUT_S,
        "socket_connect_timeout": _BROKER_TIMEOUT_S,
    }
    broker: Any = Connection(settings.CELERY_BROKER_URL, transport_options=options)
    try:
        # A new channel of the Redis transport sends a PING. `default_channel` would retry for long.
        broker.channel().close()
    except broker.connection_errors + broker.channel_errors:
        return False
    finally:
        broker.release()
    return True
