"""Repeats under an Idempotency-Key or a socket's command id: they get the first answer, and change nothing."""

from __future__ import annotations

from sessions.commands import ACTION_BY_COMMAND
from sessions.services.outcome import Caller, Outcome
from sessions.store.codec import Answer
from synckairos.auth.permissions import authorize
from synckairos.engine import commands
from synckairos.engine.state import State
from synckairos.errors import IdempotencyKeyReused
from synckairos.telemetry import metrics


def authorized_replay(answer: Answer, state: State | None, command: commands.Command, caller: Caller) -> Outcome:
    """Return the first answer to a caller who still has the permission. Raises IdempotencyKeyReused, Forbidden."""
    if state is not None:
        authorize(caller.principal, ACTION_BY_COMMAND[type(command)], state)
    return replay(answer, caller)


def replay(answer: Answer, caller: Caller) -> Outcome:
    """Return the first answer. Raises IdempotencyKeyReused for another request under its key."""
    given = caller.idempotency
    if given is None or given.fingerprint != answer.fingerprint:
        raise IdempotencyKeyReused
    metrics.REPLAYED.inc()
    return Outcome(
        state=answer.state,
        at_ms=answer.at_ms,
        expired_participant_id=answer.expired_participant_id,
        action_applied=answer.action_applied,
        replayed=True,
    )
