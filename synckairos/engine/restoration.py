"""The restoration of a session that the store has lost, from the state that its history has led to."""

from __future__ import annotations

from synckairos.engine.deadlines import DeadlineKind, next_deadline, settle
from synckairos.engine.decide import Decision
from synckairos.engine.events import Event, SessionPaused, SessionRestored
from synckairos.engine.evolve import evolve
from synckairos.engine.refusals import Unsettled
from synckairos.engine.state import State
from synckairos.engine.units import Instant, OutagePolicy, Status

MAX_SETTLED = 5_000
"""Largest number of deadlines that one restoration applies before the outage."""


def restore(
    state: State, now: Instant, *, epoch: str, policy: OutagePolicy, outage_began_ms: Instant | None = None
) -> Decision:
    """Return the decision that continues a session under a new epoch; `now` is the instant of the restoration.

    The event `session.restored` comes first, at the instant of the last transition, and changes no clock. With `charge`
    nothing else happens: what became due in the outage is applied afterwards like any deadline, at its own instant.
    With `pause` the deadlines up to `outage_began_ms` are applied, and a running session is paused at that instant; one
    that was to start during the outage starts at its own instant, and is paused at once.

    Raises Unsettled when more than MAX_SETTLED deadlines came before the outage, and ValueError for `pause` without
    `outage_began_ms`.
    """
    event = SessionRestored(
        state.sequence + 1, state.version + 1, state.updated_ms, epoch, state.epoch, policy, outage_began_ms
    )
    restored = evolve(state, event)
    if policy is OutagePolicy.CHARGE:
        return Decision(state, restored, (event,), next_deadline(restored))
    if outage_began_ms is None:
        raise ValueError("a pause needs the beginning of the outage")
    paused, followed = _paused(restored, max(outage_began_ms, state.updated_ms), now)
    return Decision(state, paused, (event, *followed), next_deadline(paused), late=len(followed))


def _paused(state: State, at_ms: Instant, now: Instant) -> tuple[State, list[Event]]:
    """Return the state that is paused at an instant, and the events that led to it."""
    settled, happened, following = settle(state, at_ms, limit=MAX_SETTLED)
    if following is not None and following.at_ms <= at_ms:
        raise Unsettled
    if following is not None and following.kind is DeadlineKind.START and following.at_ms <= now:
        at_ms = max(following.at_ms, settled.updated_ms)
        settled, started, _ = settle(settled, at_ms, limit=1)
        happened += started
    if settled.status is Status.RUNNING:
        pause = SessionPaused(settled.sequence + 1, settled.version + 1, at_ms)
        settled = evolve(settled, pause)
        happened.append(pause)
    return settled, happened
