"""The position check: what each client has been given, compared with the store, every second.

The group layer may lose messages (across a restart of the store it does). This is what makes the screens right all the
same: whoever missed something is sent it without asking. See docs/consistency.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby, islice
from uuid import UUID

from sessions import messages
from sessions.hub.rooms import Rooms
from sessions.hub.subscriber import NOWHERE, Outlet, Position
from sessions.services.commits import notices_of
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

_CHECKED_TOGETHER = 500


async def check_all(rooms: Rooms, reseat: Callable[[UUID], None]) -> None:
    """One round over every session that is shown here. Raises ServiceUnavailable.

    `reseat` is called for sessions whose new participants nobody may have heard of.
    """
    for session_ids in by_shard(rooms):
        for some in portions(session_ids, _CHECKED_TOGETHER):
            await _check(rooms, some, reseat)


async def _check(rooms: Rooms, session_ids: list[UUID], reseat: Callable[[UUID], None]) -> None:
    """Compare what clients were given before the read with what the store says after it."""
    before = {session_id: _positions(rooms, session_id) for session_id in session_ids}
    known = {room.session_id: room.known for room in map(rooms.get, session_ids) if room is not None}
    found = await send(store.headers(session_ids))
    for session_id, stored in zip(session_ids, found, strict=True):
        room = rooms.get(session_id)
        if room is not None and stored is not None and known.get(session_id) == room.known != stored:
            room.known = stored
            reseat(session_id)  # what was missed may have said who may look on
        for position, outlets in before[session_id].items():
            # Who has been given something since then will be looked at in the next round.
            still = [outlet for outlet in outlets if outlet.position == position]
            try:
                if await _compare(session_id, position, stored, still):
                    reseat(session_id)
            except Exception:
                # One session that cannot be read must not leave the others unchecked.
                log.exception("position check failed", session_id=str(session_id))


def _positions(rooms: Rooms, session_id: UUID) -> dict[Position, list[Outlet]]:
    """The clients of a session, by what they have been given."""
    found: dict[Position, list[Outlet]] = {}
    room = rooms.get(session_id)
    for outlet in () if room is None else room.outlets:
        if not (outlet.is_held or outlet.is_hidden_from):
            found.setdefault(outlet.position, []).append(outlet)
    return found


async def _compare(session_id: UUID, position: Position, stored: tuple[str, int] | None, outlets: list[Outlet]) -> bool:
    """Whether clients were brought up to date."""
    if not outlets or position == stored:
        return False
    if stored is None:
        if position != NOWHERE:
            frame = Frame(messages.session_deleted(session_id, store_clock.now_ms()))
            for outlet in outlets:
                outlet.finish(*CloseReason.SESSION_DELETED.value, frame, of_epoch=position.epoch)
    elif position.is_before(*stored):
        await _resync(session_id, position, outlets)
        return True
    else:
        # It has lost commits that were shown. No screen goes back: the sockets come back for the truth.
        log.error("the store went back", session_id=str(session_id), version=stored[1])
        for outlet in outlets:
            outlet.finish(*CloseReason.STATE_RESTORED.value)
    return False


async def _resync(session_id: UUID, position: Position, outlets: list[Outlet]) -> None:
    """Bring clients to the store's state: with the events since, when they are all still there."""
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
    for outlet in outlets:
        outlet.judge(state, seats)
        if outlet.position == position:
            outlet.offer_state(state.epoch, state.version, frame, notices)


def by_shard(session_ids: Iterable[UUID]) -> list[list[UUID]]:
    """Sessions that may be read in one call together."""
    ordered = sorted(session_ids, key=keys.shard_of)
    return [list(some) for _, some in groupby(ordered, key=keys.shard_of)]


def portions(session_ids: list[UUID], size: int) -> Iterable[list[UUID]]:
    """The same, no more than `size` at a time."""
    rest = iter(session_ids)
    while some := list(islice(rest, size)):
        yield some
