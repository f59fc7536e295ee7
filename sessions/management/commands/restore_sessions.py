"""`manage.py restore_sessions`: put the sessions that the store has lost back into it, from the audit.

Exit status 1 when a session could not be restored. See docs/operations.md.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from audit import lost_sessions, outbox_reader
from audit.drain import drain_all
from audit.models import SyncSession
from audit.outbox_reader import BEFORE_ALL
from sessions.services import restoration
from sessions.services.restoration import Found, Outage, Standing, Unrestorable
from sessions.services.retention import kept_since
from synckairos import ids
from synckairos.engine import Decision, OutagePolicy, State
from synckairos.engine.units import Status
from synckairos.errors import ServiceUnavailable
from synckairos.instants import as_datetime, as_iso, from_datetime, from_iso
from synckairos.portions import portions
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import Procedure, run_many

DRAIN_WITHIN_S = 60.0
"""Longest wait until the outbox of the store is empty."""
PORTION = 100
"""Sessions that are restored in one round trip."""
_COMPARED_PORTION = 500
_DRAIN_PAUSE_S = 0.02
_PACE_OVER = timedelta(seconds=60)


class Command(BaseCommand):
    help = "Put sessions that the store has lost back into it, from the audit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=from_iso, help="only sessions that changed since this instant (ISO 8601)")
        parser.add_argument(
            "--running",
            choices=[policy.value for policy in OutagePolicy],
            default=OutagePolicy.CHARGE.value,
            help="running sessions: charge the outage to their clocks, or pause them as of its beginning",
        )
        parser.add_argument("--outage-began", type=from_iso, help="instant (ISO 8601); else that of the last commit")
        parser.add_argument("--dry-run", action="store_true", help="say what would be restored, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        began = options["outage_began"]
        try:
            if began is not None and from_datetime(began) > outbox_reader.now_ms():
                raise CommandError("The outage began in the future.")
            failed = self._run(options["since"], began, OutagePolicy(options["running"]), dry=options["dry_run"])
        except (ServiceUnavailable, *redis_client.ERRORS) as away:
            raise CommandError(f"The state store cannot serve, so run this again: {type(away).__name__}") from None
        if failed:
            sys.exit(1)

    def _run(self, since: datetime | None, began: datetime | None, policy: OutagePolicy, *, dry: bool) -> bool:
        """Restore, and return true when a session could not be restored."""
        if not dry:
            _drain()
        found = _behind(since or as_datetime(kept_since(outbox_reader.now_ms())))
        standings = Counter(one.standing for one in found)
        lost = [one for one in found if one.standing in {Standing.LOST, Standing.OLDER}]
        last = lost_sessions.last_commit_at([one.row.pk for one in lost])
        outage = Outage(policy, None if (instant := began or last) is None else from_datetime(instant))
        self._tell_outage(lost, outage, last, is_given=began is not None)
        done, client = self._restore(lost, outage, dry=dry), redis_client.blocking_client()
        for one in found:
            if one.standing in {Standing.WENT_ON, Standing.REPLACED, Standing.UNREADABLE}:
                self.stdout.write(f"{_name(one)}: left alone: {_LEFT_ALONE[one.standing]}")
        if last is not None:
            self._tell_losses(lost, last)
        failed = len(lost) - done
        verb = "would be restored" if dry else "restored"
        if dry and (waiting := sum(client.xlen(keys.outbox(shard)) for shard in keys.all_shards())):
            self.stdout.write(f"entries in the outbox, which are written to the audit first: {waiting}")
        self.stdout.write(
            f"{verb}: {done}; could not be restored: {failed}; left alone: current {standings[Standing.CURRENT]}, "
            f"went on {standings[Standing.WENT_ON]}, replaced {standings[Standing.REPLACED]}, "
            f"unreadable {standings[Standing.UNREADABLE]}"
        )
        return bool(failed or standings[Standing.WENT_ON] or standings[Standing.UNREADABLE])

    def _tell_outage(self, lost: Sequence[Found], outage: Outage, last: datetime | None, *, is_given: bool) -> None:
        self.stdout.write(f"sessions that the store has lost: {len(lost)}; running sessions: {outage.policy.value}")
        if outage.began_ms is None or last is None:
            return
        source = "as given" if is_given else "that of the last commit that the audit has of them"
        self.stdout.write(f"beginning of the outage: {as_iso(outage.began_ms)} ({source})")

    def _tell_losses(self, lost: Sequence[Found], last: datetime) -> None:
        """Tell how many commits the outbox may have lost; after the restoration, which must not wait for it."""
        try:
            number = lost_sessions.commits_between(last - _PACE_OVER, last)
        except DatabaseError as error:
            self.stdout.write(f"commits that the outbox may have lost: unknown ({type(error).__name__})")
            return
        pace = number / _PACE_OVER.total_seconds()
        recent = sum(one.row.status == Status.RUNNING and one.row.updated_at > last - _PACE_OVER for one in lost)
        self.stdout.write(
            f"commits that the outbox may have lost: unknown, since nothing has them any more. In the minute up to "
            f"{as_iso(from_datetime(last))} there were {pace:.1f} commits a second, so about {pace:.1f} are lost for "
            f"each second that the drain was late. {recent} running sessions had changed in that minute; their clients "
            "may have seen versions that are not restored."
        )

    def _restore(self, lost: Sequence[Found], outage: Outage, *, dry: bool) -> int:
        """Restore the sessions, say why others could not be, and return the number of those that are restored."""
        request_id, done = ids.new_request_id(), 0
        with asyncio.Runner() as runner:
            try:
                for some in portions(lost, PORTION):
                    states = list(self._states(some))
                    if dry:
                        results: list[Any] = [_tried(state, outage) for _, state in states]
                    else:
                        procedures = [_attempt(one, state, outage, request_id) for one, state in states]
                        results = runner.run(run_many(procedures))
                    for (one, _), result in zip(states, results, strict=True):
                        done += isinstance(result, Decision)
                        if not isinstance(result, Decision):
                            self._tell_failure(one, result or "the store has changed meanwhile: run this again")
            finally:
                runner.run(redis_client.close_async_client())
        return done

    def _states(self, some: Sequence[Found]) -> Iterator[tuple[Found, State]]:
        for one in some:
            try:
                yield one, restoration.state_of(one.row)
            except Unrestorable as reason:
                self._tell_failure(one, reason)

    def _tell_failure(self, one: Found, reason: object) -> None:
        self.stdout.write(f"{_name(one)}: cannot be restored: {reason}")


_LEFT_ALONE = {
    Standing.WENT_ON: "the store has gone on from an older state, without commits that the audit has",
    Standing.REPLACED: "the store has another session under this id, which the audit does not know",
    Standing.UNREADABLE: "its value in the store cannot be read",
}


def _name(one: Found) -> str:
    return f"{one.row.session_id} ({one.row.epoch}) version {one.row.version}"


def _drain() -> None:
    """Write the entries that are in the store's outbox now to the audit. Raises CommandError when some are left."""
    ends_s = time.monotonic() + DRAIN_WITHIN_S
    newest = {shard: outbox_reader.last_id(keys.outbox(shard)) for shard in keys.all_shards()}
    while any(_is_waiting(shard, last) for shard, last in newest.items()):
        if time.monotonic() > ends_s:
            raise CommandError("Entries are still in the outbox: the audit has to take them first.")
        drain_all()
        time.sleep(_DRAIN_PAUSE_S)


def _is_waiting(shard: int, last: str | None) -> bool:
    """Return true while an entry up to `last` is in the outbox of a shard."""
    return last is not None and bool(outbox_reader.read_range(keys.outbox(shard), BEFORE_ALL, 1, last))


def _behind(since: datetime) -> list[Found]:
    """Return the live sessions of the audit, compared with the store."""
    wanted = list(lost_sessions.live_sessions(since).order_by("pk").values_list("pk", flat=True))
    found: list[Found] = []
    for some in portions(wanted, _COMPARED_PORTION):
        found += restoration.compare(list(SyncSession.objects.filter(pk__in=some)))
    return found


def _tried(state: State, outage: Outage) -> Decision | Unrestorable:
    try:
        return restoration.decision_of(state, outbox_reader.now_ms(), outage)
    except Unrestorable as reason:
        return reason


def _attempt(one: Found, state: State, outage: Outage, request_id: str) -> Procedure[Decision | Unrestorable | None]:
    """Restore one session; return the reason when it cannot be, so that others are restored all the same."""
    try:
        return (yield from restoration.commit_restored(state, one.stored, outage, request_id))
    except Unrestorable as reason:
        return reason
