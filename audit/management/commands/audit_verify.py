"""`manage.py audit_verify`: verify the chains of the audit, and name the first row of each that is wrong.

Exit status 1 when anything is wrong. See docs/consistency.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audit.checkpoint_verification import HeadComparison, LogFault, LogReader
from audit.models import SyncSession
from audit.verification_again import verified_again
from audit.verification_faults import Fault, Verified
from audit.verification_pool import Portion, default_processes, verified_portions
from audit.verification_rows import portions
from audit.waiting_commits import waiting_commits
from synckairos.auth.signed_notes import NoteKey, parse_key
from synckairos.instants import from_iso

_MAY_WAIT = {Fault.MISSING, Fault.TRUNCATED}


class Command(BaseCommand):
    help = "Verify that the rows of the audit are those that were committed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session_id", type=UUID, nargs="?", help="one session; without it, all")
        parser.add_argument("--since", type=from_iso, help="sessions that changed since this instant (ISO 8601)")
        parser.add_argument("--processes", type=int, default=default_processes(), help="processes; one for each core")
        parser.add_argument("--checkpoints", type=Path, help="compare with the checkpoints in this directory")
        parser.add_argument(
            *("--key", "-k"), type=parse_key, action="append", default=[], help="public key of former checkpoints"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        sessions = _sessions(options["session_id"], options["since"])
        if options["session_id"] is not None and options["checkpoints"] is None and not sessions.exists():
            raise CommandError("The audit has no such session.")
        try:
            faults = self._verify_chains(sessions, options["processes"])
            if options["checkpoints"] is not None:
                faults += self._verify_checkpoints(options["checkpoints"], options["key"], options["session_id"])
        except KeyboardInterrupt:
            sys.exit(130)
        if faults:
            sys.exit(1)

    def _verify_chains(self, sessions: QuerySet[SyncSession], processes: int) -> int:
        """Print the first fault of each session, and return their number."""
        events = unchained = waiting = 0
        faulty: set[int] = set()
        removed: set[int] = set()
        total = sessions.count()
        with _progress(total) as progress:
            for portion, results in verified_portions(portions(sessions), processes):
                for result in self._confirmed(portion, results):
                    events += result.events
                    unchained += result.unchained
                    waiting += result.waiting
                    removed |= {result.session} if result.is_removed else set()
                    if result.finding is not None and result.session not in faulty:
                        faulty.add(result.session)
                        progress.stop()
                        self.stdout.write(str(result.finding))
                        progress.start()
                progress.advance(progress.task_ids[0], sum(part.is_last for part in portion))
        self.stdout.write(
            f"sessions: {total}; events verified: {events}; of releases without a chain: {unchained}; "
            f"commits that wait in the outbox: {waiting}; removed meanwhile: {len(removed)}; "
            f"sessions with faults: {len(faulty)}"
        )
        return len(faulty)

    def _verify_checkpoints(self, directory: Path, keys: list[NoteKey], session_id: UUID | None) -> int:
        """Print what is wrong with the checkpoints, or differs from them, and return the number of such faults."""
        faults = 0
        reader, comparison = LogReader(directory, keys), HeadComparison(session_id)
        try:
            for finding in comparison.findings(reader.read()):
                faults += 1
                self.stdout.write(str(finding))
        except LogFault as fault:
            faults += 1
            self.stdout.write(f"{directory}: {fault}")
        except OSError as error:
            raise CommandError(f"{directory}: {error}") from error
        self.stdout.write(
            f"checkpoints: {reader.checkpoints}; by unknown keys: {reader.of_unknown_keys}; heads: {reader.leaves}; "
            f"heads without a checkpoint: {reader.unsigned_leaves}; heads excused by tombstones: {comparison.excused}; "
            f"faults: {faults}"
        )
        return faults

    def _confirmed(self, portion: Portion, results: list[Verified]) -> list[Verified]:
        """Verify once more where something looks wrong, and then with what waits in the outbox if something is missing.

        Others write meanwhile.
        """
        parts = {part.session: part for part in portion}
        again = verified_again([parts[result.session] for result in results if result.finding])
        missing = [parts[result.session] for result in again.values() if _may_wait(result)]
        if missing:
            try:
                waiting = waiting_commits({(part.session_id, part.epoch) for part in missing})
                again |= verified_again(missing, waiting)
            except RedisError as error:
                self.stderr.write(f"The store cannot be read ({type(error).__name__}): what is missing may wait there.")
        return [again.get(result.session, result) for result in results]


def _may_wait(result: Verified) -> bool:
    return result.finding is not None and result.finding.fault in _MAY_WAIT


def _sessions(session_id: UUID | None, since: datetime | None) -> QuerySet[SyncSession]:
    sessions = SyncSession.objects.all()
    if session_id is not None:
        sessions = sessions.filter(session_id=session_id)
    return sessions if since is None else sessions.filter(updated_at__gte=since)


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """Show the progress while stderr is a terminal."""
    columns = (TextColumn("verified"), BarColumn(), MofNCompleteColumn(), TextColumn("sessions"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("", total=total)
        yield progress
