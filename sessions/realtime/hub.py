"""The hub: one channel of the group layer for this whole process, one subscription for each session it serves.

The layer is a hint; it may lose messages. What makes the screens right is the version in every frame and the position
check: every second the hub compares the version it last delivered with the store's, and sends what is missing.
See docs/consistency.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import groupby, islice
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from sessions import messages
from sessions.messages import HubMessage
from sessions.realtime.outlet import Outlet, Position
from sessions.services import sessions as service
from sessions.store import store
from sessions.store.calls import arun, ask
from synckairos import keys, logs, metrics
from synckairos.close_codes import CloseCode
from synckairos.engine.state import State
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
        self.position = Position()
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

    def delivered(self, session_id: UUID, state: State | None) -> None:
        """A socket of ours has been given this state by other means."""
        room = self._rooms.get(session_id)
        if room is not None and state is not None:
            room.position.advance(state.epoch, state.version)

    def close_all(self, code: int, reason: str) -> None:
        """Tell every socket to go."""
        for room in self._rooms.values():
            for outlet in room.outlets:
                outlet.finish(code, reason)

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
                    asyncio.create_task(self._receive(self._channel), name="hub receive"),
                    asyncio.create_task(self._check_positions(), name="hub position check"),
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
        if message.is_deletion:
            self._delete(room, message.state_frame)
            return
        if not room.position.advance(message.epoch, message.version):
            return
        for outlet in room.outlets:
            if outlet.position.epoch == message.epoch and outlet.position.version >= message.version:
                continue
            for notice in message.notices:
                outlet.put(notice)
            outlet.offer_state(message.epoch, message.version, message.state_frame)

    def _went_back(self, room: Room, state: State) -> None:
        """The store has lost commits that we have shown. No screen goes back: the sockets come back for the truth."""
        log.error("the store went back", session_id=str(room.session_id), version=state.version)
        room.position = Position()
        room.position.advance(state.epoch, state.version)
        for outlet in room.outlets:
            outlet.finish(CloseCode.SERVICE_RESTART, "State restored")

    def _delete(self, room: Room, frame: str) -> None:
        room.position = Position()
        for outlet in room.outlets:
            outlet.finish(CloseCode.NORMAL, "Session deleted", frame)

    async def _check_positions(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                await store_clock.aprobe()
                for shard, session_ids in _by_shard(self._rooms):
                    log.debug("position check", shard=shard, sessions=len(session_ids))
                    for some in _portions(session_ids):
                        await self._check(some)
            except ServiceUnavailable:
                log.warning("position check failed: the state store is away")
            except Exception:
                # Whatever it was, the next round may succeed; without this task a lost message stays lost.
                log.exception("position check failed")

    async def _check(self, session_ids: list[UUID]) -> None:
        found = await arun(ask(store.headers(session_ids)))
        for session_id, position in zip(session_ids, found, strict=True):
            room = self._rooms.get(session_id)
            if room is None:
                continue
            known = room.position
            if position is None:
                if known.epoch is not None:
                    frame = messages.session_deleted(session_id, store_clock.now_ms()).decode()
                    self._delete(room, frame)
            elif position != (known.epoch, known.version):
                await self._resync(room)

    async def _resync(self, room: Room) -> None:
        """Bring a room to the store's state: with the events since, when they are all still there."""
        known = room.position.copy()
        try:
            recovery = await arun(service.recover(room.session_id, known.version, known.epoch))
        except SessionNotFound:
            return
        if recovery.state.epoch == known.epoch and recovery.state.version < known.version:
            self._went_back(room, recovery.state)
            return
        if (recovery.state.epoch, recovery.state.version) == (room.position.epoch, room.position.version):
            return  # the message came while we were reading
        metrics.SOCKET_RESYNCS.inc()
        since_version = known.version if recovery.recovered else recovery.state.version
        frame = messages.state_update(recovery.state, recovery.now, since_version, recovery.missed)
        state = recovery.state
        self._deliver(HubMessage(state.session_id, state.epoch, state.version, since_version, frame.decode()))


def _by_shard(session_ids: Iterable[UUID]) -> list[tuple[int, list[UUID]]]:
    ordered = sorted(session_ids, key=keys.shard_of)
    return [(shard, list(some)) for shard, some in groupby(ordered, key=keys.shard_of)]


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
