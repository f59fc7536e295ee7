"""Who is connected, told to every client: each process announces its own clients, and sums up what all have announced.

Changes are gathered for a moment, so that a hall that empties is a few messages, not thousands. Announcements are
hints: they are read again every few seconds, and those of a process that has died are not believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from sessions import messages
from sessions.hub.positions import by_shard, portions
from sessions.hub.rooms import Room, Rooms
from sessions.hub.wire import Frame
from sessions.services import presence as service
from sessions.services import sessions
from sessions.services.presence import BELIEVED_MS
from sessions.store import presence as store
from sessions.store.calls import apipeline, arun, ask
from sessions.store.presence import KEPT_MS, NOBODY, Attendance, Roll
from sessions.store.store import seen
from synckairos import keys, logs
from synckairos.errors import ServiceUnavailable, SessionNotFound
from timesync.clock import store_clock

log = logs.get(__name__)

GATHER_S = 0.25
"""For how long changes are gathered."""
_ALIVE_EVERY_S = 1.0
_READ_AGAIN_EVERY_S = 10.0
_ANNOUNCE_AGAIN_EVERY_S = KEPT_MS / 1000 / 3
_TOGETHER = 200


class Presence:
    """What this process tells of its clients, and what it knows of the others'."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._process = uuid4().hex[:16]
        self._alive: frozenset[str] = frozenset()
        self._rolls: dict[UUID, Roll] = {}
        self._announced: dict[UUID, Attendance] = {}
        self._to_seat: set[UUID] = set()
        self._to_announce: set[UUID] = set()
        self._to_read: set[UUID] = set()
        self._wake = asyncio.Event()
        self._seen_at_s = 0.0
        self._read_at_s = 0.0
        self._announced_at_s = 0.0

    def changed(self, session_id: UUID) -> None:
        """A client has come or gone."""
        self._to_announce.add(session_id)
        self._wake.set()

    def hinted(self, session_id: UUID) -> None:
        """Some process has told something new."""
        if self._rooms.get(session_id) is not None:
            self._to_read.add(session_id)
            self._wake.set()

    def reseat(self, session_id: UUID) -> None:
        """The session has new participants: some clients may be among them."""
        self._to_seat.add(session_id)
        self._wake.set()

    async def run(self) -> None:
        """Keep it up to date, for as long as the process serves."""
        now_s = asyncio.get_running_loop().time
        self._read_at_s = self._announced_at_s = now_s()
        while True:
            try:
                if now_s() - self._seen_at_s >= _ALIVE_EVERY_S:
                    await self._stay_alive(now_s())
                await self._work()
            except ServiceUnavailable:
                log.debug("presence waits: the state store is away")
                await asyncio.sleep(_ALIVE_EVERY_S)
            except Exception:
                log.exception("presence failed")  # it is no clock: the next round may succeed
                await asyncio.sleep(_ALIVE_EVERY_S)
            await self._pause(now_s)

    async def leave(self) -> None:
        """Take back what this process has told, at its end."""
        try:
            await self._announce(dict.fromkeys(self._announced, NOBODY))
            await arun(ask(seen(self._process, 0, keys.webs(), leaves=True)))
        except ServiceUnavailable:
            return  # it will not be believed for long

    async def _pause(self, now_s: Any) -> None:
        try:
            left_s = self._seen_at_s + _ALIVE_EVERY_S - now_s()
            await asyncio.wait_for(self._wake.wait(), max(left_s, 0.0))
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_S)
        self._wake.clear()

    async def _stay_alive(self, now_s: float) -> None:
        alive = await arun(ask(seen(self._process, BELIEVED_MS, keys.webs())))
        before, self._alive = self._alive, frozenset(alive)
        was_away = self._seen_at_s and (now_s - self._seen_at_s) * 1000 > BELIEVED_MS
        self._seen_at_s = now_s
        if was_away or now_s - self._announced_at_s > _ANNOUNCE_AGAIN_EVERY_S:
            # Others may have cleared away what they no longer believed; and nothing is kept for ever.
            self._announced_at_s = now_s
            self._announced.clear()
            self._to_announce |= set(self._rooms)
        if now_s - self._read_at_s > _READ_AGAIN_EVERY_S:
            self._read_at_s = now_s
            self._to_read |= self._rolls.keys()
        if before != self._alive:
            gone = before - self._alive
            await self._clear_away(gone)
            for session_id in list(self._rolls):
                self._tell(session_id)

    async def _work(self) -> None:
        await self._seat(self._taken("_to_seat"))
        mine = {session_id: self._attendance(session_id) for session_id in self._to_announce}
        await self._announce(mine)
        await self._read(self._taken("_to_read"))

    def _taken(self, name: str) -> set[UUID]:
        taken: set[UUID] = getattr(self, name)
        setattr(self, name, set())
        return taken

    async def _seat(self, session_ids: Iterable[UUID]) -> None:
        for session_id in session_ids:
            room = self._rooms.get(session_id)
            if room is None:
                continue
            try:
                state = (await arun(sessions.get(session_id))).state
            except SessionNotFound:
                continue
            for outlet in room.outlets:
                outlet.participants = service.seats_of(state, outlet.principal.subject)
            self._to_announce.add(session_id)

    def _attendance(self, session_id: UUID) -> Attendance:
        """What there is to tell of a session now."""
        room = self._rooms.get(session_id)
        viewers = 0
        clients: dict[str, int] = {}
        for outlet in () if room is None else room.outlets:
            if not outlet.counts_as_present:
                continue
            viewers += not outlet.participants
            for participant_id in outlet.participants:
                clients[str(participant_id)] = clients.get(str(participant_id), 0) + 1
        return Attendance(viewers, clients)

    async def _announce(self, mine: dict[UUID, Attendance]) -> None:
        self._to_announce -= mine.keys()
        changed = {i: new for i, new in mine.items() if new != self._announced.get(i, NOBODY)}
        for some in portions(list(changed), _TOGETHER):
            calls = []
            for session_id in some:
                is_news = changed[session_id].participants.keys() != self._told(session_id).participants.keys()
                calls.append(store.announce(session_id, self._process, changed[session_id], is_news=is_news))
            replies = await apipeline(calls)
            for session_id, reply in zip(some, replies, strict=True):
                if isinstance(reply, Exception):
                    self._to_announce.add(session_id)  # with the next change, or in the next round
                elif changed[session_id].is_empty:
                    self._announced.pop(session_id, None)
                else:
                    self._announced[session_id] = changed[session_id]
        for session_id in mine:
            if self._rooms.get(session_id) is None:
                self._rolls.pop(session_id, None)
            elif session_id not in self._rolls:
                self._to_read.add(session_id)  # its first client wants to know who else is there

    def _told(self, session_id: UUID) -> Attendance:
        return self._announced.get(session_id, NOBODY)

    async def _read(self, session_ids: Iterable[UUID]) -> None:
        for together in by_shard(session_ids):
            for some in portions(together, _TOGETHER):
                rolls = await arun(ask(store.rolls(some)))
                for session_id, roll in zip(some, rolls, strict=True):
                    if self._rooms.get(session_id) is None:
                        continue
                    self._rolls[session_id] = roll
                    if roll.get(self._process, NOBODY) != self._told(session_id):
                        self._announced[session_id] = roll.get(self._process, NOBODY)  # the store has lost ours
                        self._to_announce.add(session_id)
                        self._wake.set()
                    self._tell(session_id)

    def _tell(self, session_id: UUID) -> None:
        """Send the clients here what has changed for them."""
        room = self._rooms.get(session_id)
        if room is None:
            return
        connected = service.present(self._rolls.get(session_id, {}), self._alive).connected
        if connected == room.connected:
            return
        _show(room, connected)

    async def _clear_away(self, gone: Iterable[str]) -> None:
        """Forget in the store what processes have told that we saw live and die."""
        for session_id, roll in self._rolls.items():
            dead = [process for process in gone if process in roll]
            if dead:
                await apipeline([store.announce(session_id, process, NOBODY, is_news=False) for process in dead])
                for process in dead:
                    del roll[process]


def _show(room: Room, connected: tuple[UUID, ...]) -> None:
    room.connected = connected
    room.presence = Frame(messages.presence(room.session_id, store_clock.now_ms(), connected))
    for outlet in room.outlets:
        outlet.offer_presence(room.presence)
