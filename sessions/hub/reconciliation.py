"""Reconciliation: every second, the position of each client is compared with the store, since the group layer may lose
messages. Clients that missed a state are sent it without a request of theirs (docs/consistency.md)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import groupby, islice
from uuid import UUID

from sessions import messages
from sessions.hub.position import NOWHERE, Position
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topics
from sessions.services.commits import notices_of
from sessions.services.lost_sessions import lost_among
from sessions.services.recovery import recover
from sessions.store import store
from synckairos.auth.permissions import seats_by_subject
from synckairos.auth.principal import SYSTEM
from synckairos.close_codes import CloseReason
from synckairos.errors import SessionNotFound
from synckairos.redis import keys
from synckairos.redis.procedures import run_async
from synckairos.redis.scripts import send
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import logs, metrics
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)

_BATCH_SIZE = 500
_MAX_RETRY_MS = 1_000


async def reconcile_all(topics: Topics, recheck_access: Callable[[UUID], None]) -> None:
    """Reconcile every session that has clients here, once. Raises ServiceUnavailable.

    `recheck_access` is called for each session of which a change of access may have been missed.
    """
    for session_ids in group_by_shard(topics):
        for batch in batches(session_ids, _BATCH_SIZE):
            await _reconcile(topics, batch, recheck_access)


async def _reconcile(topics: Topics, session_ids: list[UUID], recheck_access: Callable[[UUID], None]) -> None:
    """Compare the positions of clients before the read with the headers that it returns."""
    before = {session_id: _positions(topics, session_id) for session_id in session_ids}
    access_before = {
        topic.session_id: topic.access_position for topic in map(topics.get, session_ids) if topic is not None
    }
    found = await send(store.headers(session_ids))
    missing = [
        session_id
        for session_id, stored in zip(session_ids, found, strict=True)
        if stored is None and before[session_id].keys() - {NOWHERE}
    ]
    lost = await lost_among(missing) if missing else set()
    for session_id, stored in zip(session_ids, found, strict=True):
        topic = topics.get(session_id)
        if (
            topic is not None
            and stored is not None
            and access_before.get(session_id) == topic.access_position != stored
        ):
            topic.access_position = stored
            recheck_access(session_id)  # a missed message may have changed the access
        for position, subscribers in before[session_id].items():
            # A client whose position has changed meanwhile is compared in the next round.
            unchanged = [subscriber for subscriber in subscribers if subscriber.position == position]
            try:
                if stored is None:
                    _tell_missing(session_id, position, unchanged, lost)
                elif await _compare(session_id, position, stored, unchanged):
                    recheck_access(session_id)
            except Exception:
                # One session that cannot be read must not leave the others unchecked.
                log.exception("position check failed", session_id=str(session_id))


def _positions(topics: Topics, session_id: UUID) -> dict[Position, list[Subscriber]]:
    """Return the clients of a session by position."""
    found: dict[Position, list[Subscriber]] = {}
    topic = topics.get(session_id)
    for subscriber in () if topic is None else topic.subscribers:
        if subscriber.may_view and not subscriber.awaits_first_frame:
            found.setdefault(subscriber.position, []).append(subscriber)
    return found


def _tell_missing(session_id: UUID, position: Position, subscribers: list[Subscriber], lost: set[UUID] | None) -> None:
    """Close clients of a session that is not in the store: for good when it was deleted, and so that they come back
    when the store has lost it. While the audit cannot tell which (`lost` is None), they are left alone."""
    if position == NOWHERE or lost is None:
        return
    if session_id in lost:
        log.error("the store has lost a session", session_id=str(session_id), version=position.version)
        for subscriber in subscribers:
            retry_ms = random.randrange(_MAX_RETRY_MS)  # noqa: S311 - spreads load, keeps no secret
            subscriber.close(*CloseReason.STATE_LOST.format(n=retry_ms))
        return
    frame = Frame(messages.session_deleted(session_id, store_clock.now_ms()))
    for subscriber in subscribers:
        subscriber.close(*CloseReason.SESSION_DELETED.value, frame, of_epoch=position.epoch)


async def _compare(
    session_id: UUID, position: Position, stored: tuple[str, int], subscribers: list[Subscriber]
) -> bool:
    """Send clients with this position what they have missed; return true if that was a newer state."""
    if not subscribers or position == stored:
        return False
    if position.is_before(*stored):
        await _resync(session_id, position, subscribers)
        return True
    # The store has lost commits that clients have seen. No screen shows an older version: the clients reconnect.
    log.error("the store went back", session_id=str(session_id), version=stored[1])
    for subscriber in subscribers:
        subscriber.close(*CloseReason.STATE_RESTORED.value)
    return False


async def _resync(session_id: UUID, position: Position, subscribers: list[Subscriber]) -> None:
    """Send clients the store's state, with the events since their position if all of these are still stored."""
    try:
        recovery = await run_async(recover(session_id, SYSTEM, position.version, position.epoch))
    except SessionNotFound:
        return
    state = recovery.state
    since_version = position.version if recovery.recovered else state.version
    frame = Frame(messages.state_update(state, recovery.now, since_version, recovery.missed))
    notices = [Frame(notice) for event in recovery.missed for notice in notices_of(state, event, recovery.now)]
    metrics.SOCKET_RESYNCS.inc()
    seats = seats_by_subject(state)
    for subscriber in subscribers:
        subscriber.check_access(state, seats)
        if subscriber.position == position:
            subscriber.offer_state(state.epoch, state.version, frame, notices)


def group_by_shard(session_ids: Iterable[UUID]) -> list[list[UUID]]:
    """Return the sessions in lists that one call can read."""
    ordered = sorted(session_ids, key=keys.shard_of)
    return [list(group) for _, group in groupby(ordered, key=keys.shard_of)]


def batches(session_ids: list[UUID], size: int) -> Iterable[list[UUID]]:
    """Yield the sessions in lists of at most `size`."""
    rest = iter(session_ids)
    while batch := list(islice(rest, size)):
        yield batch
