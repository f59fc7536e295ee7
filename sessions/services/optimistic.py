"""A command in one round trip to the store: decided on what this process remembers, proved by the commit itself.

The commit script finds out whether the session's last commit is the one that led to the remembered state, and whether
the instant that was decided on is one of now (docs/consistency.md). If not, it says how the session stands, and the
command goes on as any other: load, decide, commit. Nobody is answered by a guess; above all, nothing is refused on one.
"""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from sessions import weights
from sessions.presentation import present
from sessions.services import idempotency_records, sessions
from sessions.services.commits import idempotency_key, write_of
from sessions.services.idempotency_records import Payer
from sessions.services.outcome import Caller, Outcome
from sessions.services.state_cache import Memory, Remembered
from sessions.store import writes
from sessions.store.writes import CommitReply, Done, Guess, LostRace
from synckairos.auth.permissions import ACTION_BY_COMMAND, authorize, restrict
from synckairos.engine import Decision, commands, decide
from synckairos.engine.refusals import Refusal
from synckairos.engine.state import State
from synckairos.engine.units import Instant
from synckairos.errors import ApiError
from synckairos.ratelimit import limits, policies
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis.procedures import Procedure, in_parallel
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import metrics


def execute(
    session_id: UUID, command: commands.Command, caller: Caller, limiter: RateLimiter, memory: Memory | None
) -> Procedure[Outcome]:
    """Apply a command, counted for the caller's general limit as well as the session's own; see `sessions.execute`.

    Without a memory it is the same in two round trips: a Cluster has limits and sessions in different places.
    """
    return sessions.measured(command, _execute(session_id, command, caller, limiter, memory))


def _execute(
    session_id: UUID, command: commands.Command, caller: Caller, limiter: RateLimiter, memory: Memory | None
) -> Procedure[Outcome]:
    known = None if memory is None else memory.get(session_id)
    guess = None if known is None or known.is_shared else _guess(known, command, caller)
    if guess is None:
        counted = limiter.consume_procedure(limits.general(caller.principal))
        outcome = yield from in_parallel(counted, sessions.execute(session_id, command, caller, limiter=limiter))
    else:
        outcome = yield from _proved(guess, session_id, command, caller, limiter)
    if memory is not None and outcome.command_id:
        is_shared = known is not None and not _is_next(outcome.state, known.state)
        memory.keep(outcome.state, outcome.command_id, is_shared=is_shared)
    if weight := weights.of_state(outcome.state):
        yield from limiter.charge_procedure(limits.general(caller.principal), weight)
    return outcome


def _is_next(state: State, before: State) -> bool:
    """Whether nobody came between the two. Who shares a session with other processes had better load it: a guess that
    fails costs as much as the command itself."""
    return state.epoch == before.epoch and state.version == before.version + 1


class _Guess(Struct, frozen=True):
    """What would be right if nothing has happened since."""

    now: Instant
    at_ms: Instant
    """The same, but not before the state's last transition."""
    decision: Decision
    last_command_id: bytes
    payer: Payer | None
    """Whose bytes the answer takes up that is kept under the caller's key."""


def _guess(known: Remembered, command: commands.Command, caller: Caller) -> _Guess | None:
    """None when what is remembered says that nothing would be written: let the store say so."""
    now = store_clock.surely_past_ms()
    if now is None:
        return None
    try:
        by = authorize(caller.principal, ACTION_BY_COMMAND[type(command)], known.state)
        decision = decide(known.state, restrict(command, by), now)
        payer = idempotency_records.payer_of(caller, known.state)
    except (Refusal, ApiError):
        return None
    at_ms = max(now, known.state.updated_ms)
    return _Guess(now, at_ms, decision, known.command_id, payer) if decision.events else None


def _proved(
    guess: _Guess, session_id: UUID, command: commands.Command, caller: Caller, limiter: RateLimiter
) -> Procedure[Outcome]:
    """Commit what was guessed; where it does not hold, go on with what the store says."""
    general = limits.general(caller.principal)
    rate, general_rate = sessions.rate_of(command), None if general is None else general[0].rate
    view = present(guess.decision.state, guess.at_ms)
    write = write_of(
        guess.decision,
        guess.at_ms,
        caller,
        key=idempotency_key(session_id, caller),
        rate=rate,
        caller_rate=None if general is None or general_rate is None else (limits.bucket_key(general), general_rate),
        guess=Guess(guess.now, guess.last_command_id),
        view=view,
    )
    reply: CommitReply = yield writes.commit(write)  # `ask` without its generator
    counted = reply.limits
    if general is not None and general_rate is not None and counted:
        limiter.record(general[0], general_rate, counted[:3])
        counted = counted[3:]
    if rate is not None and counted:
        limiter.record(policies.SWITCH, rate, counted)
    match reply:
        case Done():
            if write.record is not None and guess.payer is not None:
                yield from idempotency_records.charged(write.record, guess.payer)
            return sessions.done(guess.decision, guess.at_ms, view, write.command_id)
        case LostRace(loaded=loaded):
            metrics.GUESSES_MISSED.inc()
            return (yield from sessions.proceed(loaded, session_id, command, caller, limiter=limiter))
        case _:
            return (yield from sessions.execute(session_id, command, caller, limiter=limiter))
