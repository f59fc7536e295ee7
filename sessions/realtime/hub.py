"""The hub: one channel of the group layer for this whole process, one subscription for each session it serves.

The layer is a hint; it may lose messages. What makes the screens right is the version in every frame and the position
check: every second the hub compares what each socket has been given with the store, and sends what is missing.
See docs/consistency.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import Context
from itertools import groupby, islice
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from sessions import messages
from sessions.messages import HubMessage
from sessions.realtime.outlet import NOWHERE, Outlet, Position
from sessions.services import sessions as service
from sessions.services.commits import notices_of
from sessions.store import store
from sessions.store.calls import arun, ask
from synckairos import keys, logs, metrics
from synckairos.close_codes import CloseCode
from synckairos.errors import ServiceUnavailable, SessionNotFound
from timesync.clock import store_clock

log = logs.get(__name__)

CHECK_EVERY_S = 1.0
_CHECKED_TOGETHER = 500
_AFTER_FAULT_S = 0.5


class Room:
    """The sockets of one session in this process."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.outlets: set[Outlet] = set()
        self.lock = asyncio.Lock()
        self.is_subscribed = False


class Hub:
    """All rooms of one event loop."""

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._opening = asyncio.Lock()
        self._rooms: dict[UUID, Room] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, session_id: UUID, outlet: Outlet) -> None:
        """Subscribe a socket to a session. Raises ServiceUnavailable. Join first, read the state after."""
        room = self._rooms.setdefault(session_id, Room(session_id))
        room.outlets.add(outlet)
        try:
            channel = await self._open()
            async with room.lock:
                if not room.is_subscribed:
                    await self._layer.group_add(keys.group(session_id), channel)
                    room.is_subscribed = True
        except RedisError as away:
            await self.leave(session_id, outlet)
            raise ServiceUnavailable from away

    async def leave(self, session_id: UUID, outlet: Outlet) -> None:
        """Forget a socket; the last one of a session ends the subscription."""
        room = self._rooms.get(session_id)
        if room is None:
            return
        room.outlets.discard(outlet)
        async with room.lock:
            if room.outlets or self._rooms.get(session_id) is not room:
                return
            del self._rooms[session_id]
            if room.is_subscribed:
                room.is_subscribed = False
                await self._unsubscribe(session_id)

    async def stop(self) -> None:
        """End the hub's tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _open(self) -> str:
        async with self._opening:  # concurrent joins must not make two channels
            if self._channel is None:
                self._channel = await self._layer.new_channel()
                self._tasks = [
                    # A context of their own: their log lines are not those of the socket that came first.
                    asyncio.create_task(self._receive(self._channel), context=Context()),
                    asyncio.create_task(self._check_positions(), context=Context()),
                ]
            return self._channel

    async def _unsubscribe(self, session_id: UUID) -> None:
        try:
            await self._layer.group_discard(keys.group(session_id), self._channel)
        except RedisError as away:
            log.warning("unsubscribe failed", session_id=str(session_id), error=type(away).__name__)

    async def _receive(self, channel: str) -> None:
        while True:
            try:
                data = await self._layer.receive(channel)
                if data.get("type") == messages.HUB_HANDLER:
                    self._deliver(messages.unpack_from_layer(data))
            except (KeyError, ValueError, TypeError):
                log.exception("message of the group layer not understood")
            except RedisError as away:
                log.warning("group layer away", error=type(away).__name__)
                await asyncio.sleep(_AFTER_FAULT_S)

    def _deliver(self, message: HubMessage) -> None:
        room = self._rooms.get(message.session_id)
        if room is None:
            return
        for outlet in room.outlets:
            is_ours = outlet.position.epoch in {None, message.epoch}
            if not is_ours and not message.is_creation:
                continue  # a late word of an older session under this id
            if message.is_deletion:
                outlet.finish(CloseCode.NORMAL, "Session deleted", message.state_frame)
            else:
                outlet.offer_state(message.epoch, message.version, message.state_frame, message.notices)

    async def _check_positions(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                await store_clock.aprobe()
                for session_ids in _by_shard(self._rooms):
                    for some in _portions(session_ids):
                        await self._check(some)
            except ServiceUnavailable:
                log.warning("position check failed: the state store is away")
            except Exception:
                # Whatever it was, the next round may succeed; without this task a lost message stays lost.
                log.exception("position check failed")

    async def _check(self, session_ids: list[UUID]) -> None:
        """Compare what sockets were given before the read with what the store says after it."""
        before = {session_id: self._positions(session_id) for session_id in session_ids}
        found = await arun(ask(store.headers(session_ids)))
        for session_id, stored in zip(session_ids, found, strict=True):
            for position, outlets in before[session_id].items():
                # Who has been given something since then will be looked at in the next round.
                still = [outlet for outlet in outlets if outlet.position == position]
                try:
                    await self._compare(session_id, position, stored, still)
                except Exception:
                    # One session that cannot be read must not leave the others unchecked.
                    log.exception("position check failed", session_id=str(session_id))

    def _positions(self, session_id: UUID) -> dict[Position, list[Outlet]]:
        """The sockets of a session, by what they have been given."""
        found: dict[Position, list[Outlet]] = {}
        room = self._rooms.get(session_id)
        for outlet in () if room is None else room.outlets:
            if not outlet.is_held:
                found.setdefault(outlet.position, []).append(outlet)
        return found

    async def _compare(
        self, session_id: UUID, position: Position, stored: tuple[str, int] | None, outlets: list[Outlet]
    ) -> None:
        if not outlets or position == stored:
            return
        if stored is None:
            if position != NOWHERE:
                frame = messages.session_deleted(session_id, store_clock.now_ms()).decode()
                _finish(outlets, CloseCode.NORMAL, "Session deleted", frame)
        elif position.is_before(*stored):
            await self._resync(session_id, position, outlets)
        else:
            # It has lost commits that were shown. No screen goes back: the sockets come back for the truth.
            log.error("the store went back", session_id=str(session_id), version=stored[1])
            _finish(outlets, CloseCode.SERVICE_RESTART, "State restored")

    async def _resync(self, session_id: UUID, position: Position, outlets: list[Outlet]) -> None:
        """Bring sockets to the store's state: with the events since, when they are all still there."""
        try:
            recovery = await arun(service.recover(session_id, position.version, position.epoch))
        except SessionNotFound:
            return
        state = recovery.state
        since_version = position.version if recovery.recovered else state.version
        frame = messages.state_update(state, recovery.now, since_version, recovery.missed).decode()
        notices = [notice for event in recovery.missed for notice in notices_of(state, event, recovery.now)]
        metrics.SOCKET_RESYNCS.inc()
        for outlet in outlets:
            if outlet.position == position:
                outlet.offer_state(state.epoch, state.version, frame, notices)


def _finish(outlets: list[Outlet], code: CloseCode, reason: str, last: str | None = None) -> None:
    for outlet in outlets:
        outlet.finish(code, reason, last)


def _by_shard(session_ids: Iterable[UUID]) -> list[list[UUID]]:
    ordered = sorted(session_ids, key=keys.shard_of)
    return [list(some) for _, some in groupby(ordered, key=keys.shard_of)]


def _portions(session_ids: list[UUID]) -> Iterable[list[UUID]]:
    rest = iter(session_ids)
    while some := list(islice(rest, _CHECKED_TOGETHER)):
        yield some


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The running loop's hub."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found


async def stop_hub() -> None:
    """End the running loop's hub, at the end of a process or a test."""
    found = _hubs.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.stop()
