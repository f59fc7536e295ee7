"""`manage.py audit_verify`: verify the chains of the audit, and name the first row of each that is wrong.

Exit status 1 when anything is wrong. See docs/consistency.md.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import django
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.models import QuerySet

from audit.models import SyncSession
from audit.verification import Verified, verify
from synckairos.instants import from_iso

PORTION = 50
"""Sessions that a process verifies before it tells how far it is."""


class Command(BaseCommand):
    help = "Verify that the rows of the audit are those that were committed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session_id", type=UUID, nargs="?", help="one session; without it, all")
        parser.add_argument("--since", type=_instant, help="sessions that changed since this instant (ISO 8601)")
        parser.add_argument("--processes", type=int, default=1, help="number of processes that verify")
        parser.add_argument("--quiet", action="store_true", help="no progress")

    def handle(self, *_args: Any, **options: Any) -> None:
        sessions = _sessions(options["session_id"], options["since"])
        keys = list(sessions.values_list("pk", flat=True))
        if options["session_id"] is not None and not keys:
            raise CommandError("The audit has no such session.")
        portions = [keys[start : start + PORTION] for start in range(0, len(keys), PORTION)]
        done, events, unchained, findings = 0, 0, 0, 0
        for portion, results in zip(portions, _results(portions, options["processes"]), strict=True):
            done += len(portion)
            for result in results:
                events += result.events
                unchained += result.unchained
                if result.finding is not None:
                    findings += 1
                    self.stdout.write(str(result.finding))
            if not options["quiet"]:
                self.stderr.write(f"\r{done} of {len(keys)} sessions", ending="")
        if not options["quiet"]:
            self.stderr.write("")
        self.stdout.write(
            f"sessions: {len(keys)}; events verified: {events}; of releases without a chain: {unchained}; "
            f"sessions with faults: {findings}"
        )
        if findings:
            sys.exit(1)


def _instant(text: str) -> datetime:
    return from_iso(text)


def _sessions(session_id: UUID | None, since: datetime | None) -> QuerySet[SyncSession]:
    sessions = SyncSession.objects.order_by("pk")
    if session_id is not None:
        sessions = sessions.filter(session_id=session_id)
    return sessions if since is None else sessions.filter(updated_at__gte=since)


def _results(portions: list[list[int]], processes: int) -> Any:
    if processes <= 1:
        return map(verify_portion, portions)
    connections.close_all()  # a process of its own opens its own
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=django.setup)
    return pool.map(verify_portion, portions)


def verify_portion(keys: list[int]) -> list[Verified]:
    """Verify the sessions with these primary keys."""
    return [verify(session) for session in SyncSession.objects.filter(pk__in=keys).order_by("pk")]
