"""`manage.py audit_replay SESSION_ID`: the state of a session at any time, from the audit (docs/operations.md).

Exit status 1 when `--verify` finds a difference.
"""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import past_states, replay_checks
from audit.models import SyncSession
from audit.selectors import HistoryIncomplete, replayed_state, session_get
from sessions.presentation import present, to_json
from sessions.store import store
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.errors import ServiceUnavailable
from synckairos.instants import from_datetime, from_iso
from synckairos.redis import client as redis_client
from synckairos.redis.scripts import run_blocking_call


class Command(BaseCommand):
    help = "Print a past state of a session; prove that its snapshots and its live state are what its history leads to."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session_id", type=UUID)
        parser.add_argument("--epoch", help="of several sessions that had this id one after the other; the newest")
        moment = parser.add_mutually_exclusive_group()
        moment.add_argument("--at", type=from_iso, help="the state at this instant (ISO 8601)")
        moment.add_argument("--sequence", type=int, help="the state after the event with this number")
        parser.add_argument("--verify", action="store_true", help="compare snapshots and live state with the replay")

    def handle(self, *_args: Any, **options: Any) -> None:
        session = session_get(options["session_id"], options["epoch"])
        if session is None:
            raise CommandError("The audit has no such session.")
        try:
            if options["verify"] and not self._verify(session):
                sys.exit(1)
            if not options["verify"] or options["at"] or options["sequence"] is not None:
                self._print(session, options["at"], options["sequence"])
        except HistoryIncomplete as gap:
            raise CommandError(f"Event {gap} is not written yet: try again later.") from None

    def _print(self, session: SyncSession, at: Any, sequence: int | None) -> None:
        at_ms = None if at is None else from_datetime(at)
        state = _state(session, at_ms, sequence)
        if state is None:
            raise CommandError("The session did not exist then.")
        if sequence is not None and state.sequence != sequence:
            raise CommandError(f"The audit has {state.sequence} events of the session so far.")
        view = present(state, state.updated_ms if at_ms is None else at_ms)
        self.stdout.write(msgspec.json.format(to_json(view), indent=2).decode())

    def _verify(self, session: SyncSession) -> bool:
        replay = replay_checks.replay_and_compare(session)
        self.stderr.write(f"events: {replay.events}; snapshots: {replay.snapshots}, different: {len(replay.different)}")
        for version in replay.different:
            self.stderr.write(f"the snapshot of version {version} is not what the history leads to")
        is_live_equal = self._compare_live(session, replay.state)
        return is_live_equal and not replay.different

    def _compare_live(self, session: SyncSession, replayed: State | None) -> bool:
        """Compare the session in the store with the replayed one; return false when they differ.

        It is read after the replay: versions only grow, so one that is smaller by then means that the store lost some.
        """
        try:
            live = run_blocking_call(redis_client.blocking_client(), store.load(session.session_id)).state
        except (ServiceUnavailable, *redis_client.ERRORS) as away:
            raise CommandError(f"The state store cannot serve: {type(away).__name__}") from None
        if live is None or replayed is None or live.epoch != replayed.epoch:
            self.stderr.write("the store does not have this session: nothing to compare")
        elif live.version > replayed.version:
            behind = live.version - replayed.version
            self.stderr.write(f"the audit is {behind} versions behind the live state: try again later")
        elif live.version < replayed.version:
            ahead = replayed.version - live.version
            self.stderr.write(f"the live state is {ahead} versions behind the audit: the store has lost commits")
            return False
        elif live != replayed:
            self.stderr.write(f"the live state is not what the history leads to, at version {live.version}")
            return False
        else:
            self.stderr.write(f"the live state is what the history leads to, at version {live.version}")
        return True


def _state(session: SyncSession, at_ms: Instant | None, sequence: int | None) -> State | None:
    if at_ms is not None:
        return past_states.state_at(session, at_ms)
    if sequence is not None:
        return past_states.state_after(session, sequence)
    return replayed_state(session)
