"""The command pipeline: snapshot → decide → commit, and again after a lost race. Every command passes through it.

A snapshot that was loaded is proved: it is the session at an instant of the store's clock. A snapshot from the state
cache is not proved yet: the commit script compares it with the stored session, writes nothing where they differ, and
returns the session as it is (docs/consistency.md). Nothing is answered or refused on an unproved snapshot.
"""

from __future__ import annotations

import time
from uuid import UUID

from sessions import weights
from sessions.commands import ACTION_BY_COMMAND
from sessions.preconditions import Precondition
from sessions.presentation import present
from sessions.schemas import StateView
from sessions.services import idempotency_records, quotas
from sessions.services.commits import idempotency_key, write_of
from sessions.services.deadlines import catch_up, count_events
from sessions.services.idempotency_records import RecordOwner
from sessions.services.idempotent_replay import authorized_replay, replay
from sessions.services.outcome import Caller, Outcome
from sessions.services.state_cache import StateCache
from sessions.store import store, writes
from sessions.store.store import Snapshot
from sessions.store.writes import AlreadyAnswered, CommitReply, CommitRequest, Committed, LostRace, SessionMissing
from synckairos.auth.permissions import authorize, check_scope, restrict
from synckairos.engine import Decision, commands, decide, refusals
from synckairos.engine.refusals import Refusal, Unsettled
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.error_mapping import from_refusal
from synckairos.errors import ApiError, Conflict, PreconditionFailed, SessionNotFound
from synckairos.ratelimit import limits, policies
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis.procedures import Procedure, in_parallel
from synckairos.telemetry import metrics

MAX_ATTEMPTS = 100
"""Most decisions of one command. Each lost race is a commit of another command."""


def execute(
    session_id: UUID,
    command: commands.Command,
    caller: Caller,
    only_if: Precondition | None = None,
    *,
    limiter: RateLimiter | None = None,
    cache: StateCache | None = None,
    commit_id: bytes | None = None,
) -> Procedure[Outcome]:
    """Apply a command to a session, and return the session as the command has left it.

    `only_if` is checked on the very state that the command is applied to; for a repeat under an Idempotency-Key it was
    checked the first time. A switch counts for the session's limit when it is applied; with a `limiter`, the command
    counts for the caller's general limit too. With a `cache`, the command is first decided on the cached state.
    With a `commit_id`, a repeat is recognized by it among the latest commits, and not by the caller's Idempotency-Key,
    under which no answer is kept then.

    Raises SessionNotFound, Conflict, PreconditionFailed, IdempotencyKeyReused, RateLimitExceeded, and what permissions
    and the engine refuse.
    """
    started_s = time.perf_counter()
    execution = _Execution(session_id, command, caller, only_if, limiter, commit_id=commit_id)
    outcome = yield from execution.run(None if cache is None else cache.snapshot(session_id))
    if cache is not None and outcome.command_id:
        cache.keep(outcome.state, outcome.command_id, outcome.had_listeners)
    if limiter is not None and (weight := weights.of_state(outcome.state)):
        yield from limiter.charge_procedure(limits.general(caller.principal), weight)
    if isinstance(command, commands.Switch):
        metrics.SWITCH_SECONDS.observe(time.perf_counter() - started_s)
    return outcome


class _Execution:
    """One command on its way through the pipeline."""

    __slots__ = (
        "_bucket",
        "_caller",
        "_command",
        "_commit_id",
        "_key",
        "_limiter",
        "_only_if",
        "_role",
        "_session_id",
        "_switch_rate",
    )

    def __init__(
        self,
        session_id: UUID,
        command: commands.Command,
        caller: Caller,
        only_if: Precondition | None,
        limiter: RateLimiter | None,
        *,
        commit_id: bytes | None,
    ) -> None:
        self._session_id = session_id
        self._command = command
        self._caller = caller
        self._role = ""
        """The role of the caller, once the session is known."""
        self._only_if = only_if
        self._key = idempotency_key(session_id, caller) if commit_id is None else None
        self._commit_id = commit_id
        self._switch_rate = policies.SWITCH.rate if isinstance(command, commands.Switch) else None
        self._bucket = None if limiter is None or limiter.statuses else limits.general(caller.principal)
        """The caller's general limit, until the command has counted for it; one with a large body has already."""
        self._limiter = RateLimiter() if limiter is None else limiter

    def run(self, snapshot: Snapshot | None) -> Procedure[Outcome]:
        """Run the loop from a snapshot; without one, load it."""
        for _ in range(MAX_ATTEMPTS):
            if snapshot is None:
                snapshot = yield from self._load()
            if snapshot.answer is not None:
                return authorized_replay(snapshot.answer, snapshot.state, self._command, self._caller)
            try:
                decision, record_owner = self._decide(snapshot)
            except (Refusal, ApiError) as error:
                snapshot = None if snapshot.check is not None else (yield from self._refuse(error, snapshot))
                continue
            if decision.events:
                # A message that nobody would have received last time is not made: the script refuses a commit without
                # one when somebody listens now.
                is_unheard = snapshot.check is not None and not snapshot.check.may_have_listeners
                view = None if is_unheard else present(decision.state, snapshot.now)
                write = self._write_of(decision, snapshot, view)
                reply = (yield writes.commit(write)) if write.places is None else (yield from quotas.commit(write))
                self._record(write, reply.limits)
                if type(reply) is Committed:
                    if record_owner is not None:
                        yield from idempotency_records.charge_record(write.record, record_owner)
                    return outcome_of(decision, snapshot.now, view, write, had_listeners=reply.had_listeners)
                if type(reply) is AlreadyAnswered and snapshot.check is None:
                    return replay(reply.answer, self._caller)
                snapshot = self._after_failure(reply, snapshot)
            elif snapshot.check is None:
                return outcome_of(decision, snapshot.now)  # the session is as the command wants it
            else:
                snapshot = None
        raise Conflict

    def _load(self) -> Procedure[Snapshot]:
        """Load the session, and count the command for the caller's limit in the same round trip."""
        bucket, self._bucket = self._bucket, None
        return (yield from in_parallel(self._limiter.consume_procedure(bucket), self._load_session()))

    def _load_session(self) -> Procedure[Snapshot]:
        check_scope(self._caller.principal, self._session_id)
        snapshot: Snapshot = yield store.load(self._session_id, self._key)
        return snapshot

    def _decide(self, snapshot: Snapshot) -> tuple[Decision, RecordOwner | None]:
        """Decide, and find whose bytes the kept answer will take up. Raises what permissions and the engine refuse."""
        state = require_state(self._session_id, snapshot)
        role = authorize(self._caller.principal, ACTION_BY_COMMAND[type(self._command)], state)
        self._role = role.role.value
        accepted = None if self._only_if is None else self._only_if.accepts(state.epoch)
        decision = decide(state, restrict(self._command, role), snapshot.now, accepted=accepted)
        return decision, idempotency_records.record_owner_of(self._caller, state) if decision.events else None

    def _refuse(self, error: Exception, snapshot: Snapshot) -> Procedure[Snapshot]:
        """Raise the answer to a refusal, after deadlines that are due have been committed; or return the session with
        these applied, when they are too many for one decision."""
        if isinstance(error, ApiError):
            raise error
        caught_up = yield from catch_up(self._session_id, snapshot)
        if isinstance(error, Unsettled):
            return caught_up
        if isinstance(error, refusals.PreconditionFailed) and self._only_if is not None:
            raise PreconditionFailed(self._only_if.versions, error.actual) from None
        if isinstance(error, Refusal):
            raise from_refusal(error) from None
        raise error

    def _write_of(self, decision: Decision, snapshot: Snapshot, view: StateView | None) -> CommitRequest:
        bucket, caller_rate = self._bucket, None
        if bucket is not None and (rate := bucket[0].rate) is not None:
            caller_rate = limits.bucket_key(bucket), rate
        return write_of(
            decision,
            snapshot.now,
            self._caller,
            key=self._key,
            switch_rate=self._switch_rate,
            caller_rate=caller_rate,
            check=snapshot.check,
            view=view,
            unheard=view is None,
            role=self._role,
            given_id=self._commit_id,
        )

    def _record(self, write: CommitRequest, counted: list[int]) -> None:
        """Record the limits that the commit script has counted. Raises RateLimitExceeded."""
        if counted and write.caller_rate is not None and self._bucket is not None:
            bucket, self._bucket = self._bucket, None
            self._limiter.record(bucket[0], write.caller_rate[1], counted[:3])
            counted = counted[3:]
        if counted and self._switch_rate is not None:
            self._limiter.record(policies.SWITCH, self._switch_rate, counted)

    def _after_failure(self, reply: CommitReply, snapshot: Snapshot) -> Snapshot | None:
        """Return the snapshot to decide on next; None to load it. Raises SessionNotFound."""
        is_proved = snapshot.check is None
        if isinstance(reply, LostRace):
            (metrics.LOST_RACES if is_proved else metrics.STALE_SNAPSHOTS).inc()
            return reply.snapshot
        if is_proved and isinstance(reply, SessionMissing):
            raise SessionNotFound(self._session_id)
        return None


def require_state(session_id: UUID, snapshot: Snapshot) -> State:
    """Return the state of a snapshot. Raises SessionNotFound."""
    if snapshot.state is None:
        raise SessionNotFound(session_id)
    return snapshot.state


def outcome_of(
    decision: Decision,
    now: Instant,
    view: StateView | None = None,
    write: CommitRequest | None = None,
    *,
    had_listeners: bool = True,
) -> Outcome:
    """Return the outcome of a decision, and count its events; with the view and its commit, if it has one."""
    count_events(decision)
    expired = decision.expired
    return Outcome(
        state=decision.state if write is None else write.state,
        at_ms=now,
        view=view,
        command_id=b"" if write is None else write.command_id,
        had_listeners=had_listeners,
        expired_participant_id=decision.expired_on_switch,
        action_applied=None if expired is None else expired.action_applied,
    )
