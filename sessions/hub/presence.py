"""Who is connected, told to every client: each process announces its own clients, and sums up what all have announced.

Changes are gathered for a moment, so that a hall that empties is a few messages, not thousands. Announcements are
hints: they are read again every few seconds, and those of a process that has died are not believed.

A list of some, without others who were there before them, is never shown while the store keeps what it is told: a
process says that it is alive before it announces anything, and whoever has read announcements asks then who is alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from sessions import messages
from sessions.hub.liveness import ALIVE_EVERY_S, Liveness
from sessions.hub.reconciliation import batches, group_by_shard
from sessions.hub.topics import Topic, Topics
from sessions.services import presence as service
from sessions.services import sessions
from sessions.services.retention import note_activity
from sessions.store import presence as store
from sessions.store.presence import KEPT_MS, NOBODY, Attendance, Roll
from synckairos.auth.permissions import seats_by_subject
from synckairos.auth.principal import SYSTEM
from synckairos.engine.units import Duration
from synckairos.errors import ServiceUnavailable, SessionNotFound
from synckairos.redis.procedures import run_async
from synckairos.redis.scripts import Call, send, send_all
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import logs
from synckairos.webserver.transport import Frame

log = logs.get_logger(__name__)

GATHER_S = 0.25
"""For how long changes are gathered."""
_READ_AGAIN_EVERY_S = 10.0
_ANNOUNCE_AGAIN_EVERY_S = KEPT_MS / 1000 / 3
_TOGETHER = 200
_TOLD_TOGETHER = 500


class Presence:
    """What this process tells of its clients, and what it knows of the others'."""

    def __init__(self, topics: Topics) -> None:
        self._rooms = topics
        self._living = Liveness()
        self._process = self._living.process
        self._announced: dict[UUID, Attendance] = {}
        """What the store has of ours, as far as we know."""
        self._unsure: set[UUID] = set()
        """Where it may have something else."""
        self._to_seat: set[UUID] = set()
        self._to_announce: set[UUID] = set()
        self._to_read: set[UUID] = set()
        self._wake = asyncio.Event()
        self._read_at_s = self._announced_at_s = asyncio.get_running_loop().time()

    def changed(self, session_id: UUID) -> None:
        """A client has come or gone."""
        self._to_announce.add(session_id)
        self._wake.set()

    def hinted(self, session_id: UUID) -> None:
        """Some process has told something new."""
        if self._rooms.get(session_id) is not None:
            self._to_read.add(session_id)
            self._wake.set()

    def look_again(self) -> None:
        """Hints may have been missed."""
        self._to_read |= {session_id for session_id in self._rooms if self._is_read(session_id)}
        self._wake.set()

    def _is_read(self, session_id: UUID) -> bool:
        topic = self._rooms.get(session_id)
        return topic is not None and topic.roll is not None

    def reseat(self, session_id: UUID) -> None:
        """Who may look on, and who is who there, may have changed."""
        self._to_seat.add(session_id)
        self._wake.set()

    async def run(self) -> None:
        """Do what there is to do, gathered, for as long as the process serves."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                await self._work()
            except ServiceUnavailable:
                log.debug("presence waits: the state store is away")
                await asyncio.sleep(ALIVE_EVERY_S)
                self._wake.set()

    async def stay_alive(self) -> None:
        """Be believed by the others, know whom to believe, and look again now and then."""
        while True:
            try:
                await self._hear()
            except ServiceUnavailable:
                log.debug("presence waits: the state store is away")
            await asyncio.sleep(ALIVE_EVERY_S)

    async def leave(self) -> None:
        """Take back what this process has told, at its end."""
        try:
            await self._announce(dict.fromkeys(self._announced.keys() | self._unsure, NOBODY))
            if not self._unsure:  # else the others are to find out that what is left there is a dead process's
                await self._living.leave()
        except ServiceUnavailable:
            return  # it will not be believed for long

    async def _hear(self) -> None:
        """Tell that this process is alive, and find out who else is."""
        self._look(*await self._living.ask())

    def _look(self, heard: Mapping[str, Duration], now_s: float) -> None:
        """Find out what there is to do: how long ago the store has heard of each, at an instant on the loop's clock."""
        noted = self._living.look(heard, now_s)
        if noted.may_be_cleared or now_s - self._announced_at_s > _ANNOUNCE_AGAIN_EVERY_S:  # nothing is kept for ever
            self._announced_at_s = now_s
            self._unsure |= set(self._rooms) | self._announced.keys()
            self._to_announce |= self._unsure
        is_old = now_s - self._read_at_s > _READ_AGAIN_EVERY_S
        if is_old:
            self._read_at_s = now_s
        if is_old or noted.has_changed:
            self.look_again()
        if self._to_seat or self._to_announce or self._to_read:
            self._wake.set()

    async def _work(self) -> None:
        if self._living.is_late:
            await self._hear()  # what somebody tells who does not count as alive is not believed
        await self._taking("_to_seat", self._seat)
        await self._taking("_to_announce", self._announce_some)
        await self._taking("_to_read", self._read)

    async def _taking(self, name: str, work: Callable[[set[UUID]], Awaitable[None]]) -> None:
        """Work through a set; what could not be done is done again, since doing it twice is harmless."""
        taken: set[UUID] = getattr(self, name)
        setattr(self, name, set())
        try:
            await work(taken)
        except BaseException:
            getattr(self, name).update(taken)
            raise

    async def _seat(self, session_ids: set[UUID]) -> None:
        for session_id in session_ids:
            topic = self._rooms.get(session_id)
            if topic is None:
                continue
            try:
                state = (await run_async(sessions.get(session_id, SYSTEM))).state
            except SessionNotFound:
                continue
            if topic.access_position[0] not in {None, state.epoch}:
                self._to_seat.add(session_id)  # it has been made anew since: look again
                self._wake.set()
                continue
            topic.access_position = max(topic.access_position, (state.epoch, state.version), key=lambda known: known[1])
            seats = seats_by_subject(state)
            for number, subscriber in enumerate(list(topic.subscribers), 1):
                if subscriber.position.is_before(state.epoch, state.version + 1):  # else judged by a newer one
                    subscriber.check_access(state, seats)
                if not number % _TOLD_TOGETHER:
                    await asyncio.sleep(0)
            self._to_announce.add(session_id)

    async def _announce_some(self, session_ids: set[UUID]) -> None:
        mine = {session_id: self._attendance(session_id) for session_id in session_ids}
        for session_id, new in mine.items():
            topic = self._rooms.get(session_id)
            if topic is not None and (topic.roll is None or self._is_news(session_id, new)):
                # What the others had when we read last need not be what they have beside this.
                self._to_read.add(session_id)
        await self._announce(mine)

    def _attendance(self, session_id: UUID) -> Attendance:
        """What there is to tell of a session now."""
        topic = self._rooms.get(session_id)
        viewers = 0
        clients: dict[str, int] = {}
        for subscriber in () if topic is None else topic.subscribers:
            if not subscriber.is_present:
                continue
            viewers += not subscriber.participants
            for participant_id in subscriber.participants:
                clients[str(participant_id)] = clients.get(str(participant_id), 0) + 1
        return Attendance(viewers, clients)

    async def _announce(self, mine: Mapping[UUID, Attendance]) -> None:
        changed = {i: new for i, new in mine.items() if i in self._unsure or new != self._told(i)}
        for some in batches(list(changed), _TOGETHER):
            calls: list[Call[bool]] = []
            for session_id in some:
                is_news = self._is_news(session_id, changed[session_id])
                calls.append(store.announce(session_id, self._process, changed[session_id], is_news=is_news))
            self._unsure.update(some)  # until the store has said yes
            # Whoever comes, stays or goes looks at the session, or has: a sign of its life.
            replies = await send_all([*calls, *map(note_activity, some)])
            for session_id, reply in zip(some, replies, strict=False):
                if isinstance(reply, Exception):
                    self._to_announce.add(session_id)
                    continue
                self._unsure.discard(session_id)
                if changed[session_id].is_empty:
                    self._announced.pop(session_id, None)
                else:
                    self._announced[session_id] = changed[session_id]

    def _is_news(self, session_id: UUID, new: Attendance) -> bool:
        """Whether it is for others to hear: viewers are only counted."""
        return session_id in self._unsure or new.participants.keys() != self._told(session_id).participants.keys()

    def _told(self, session_id: UUID) -> Attendance:
        return self._announced.get(session_id, NOBODY)

    async def _read(self, session_ids: set[UUID]) -> None:
        for together in group_by_shard(session_ids):
            for some in batches(together, _TOGETHER):
                topics = [self._rooms.get(session_id) for session_id in some]
                listening = [topic is not None and topic.is_subscribed for topic in topics]
                found = await send(store.rolls(some))
                rolls = dict(zip(some, found, strict=True))
                if any(roll.keys() - self._living.alive for roll in rolls.values()):
                    await self._hear()  # it may have come, or come back, since we asked last
                for topic, hears_of_news in zip(topics, listening, strict=True):
                    if topic is not None and hears_of_news:  # else it is read when it does, for its first client
                        await self._take(topic, rolls[topic.session_id])
                await self._clear_away(rolls)

    async def _take(self, topic: Topic, roll: Roll) -> None:
        """Take note of what all have told of a session."""
        topic.roll = roll
        if roll.get(self._process, NOBODY) != self._told(topic.session_id):
            self._unsure.add(topic.session_id)  # the store has lost ours, or has an older one
            self.changed(topic.session_id)
        await self._tell(topic)

    async def _tell(self, topic: Topic) -> None:
        """Send the clients here what has changed for them."""
        session_id = topic.session_id
        # Of our own clients we know better than the store, which may have lost what we have told.
        roll = (topic.roll or {}) | {self._process: self._told(session_id)}
        connected = service.present(roll, self._living.alive | {self._process}).connected
        if connected == topic.connected:
            return
        topic.connected = connected
        topic.presence = Frame(messages.presence(session_id, store_clock.now_ms(), connected))
        for number, subscriber in enumerate(list(topic.subscribers), 1):
            if subscriber.is_present:
                subscriber.offer_presence(topic.presence)
            if not number % _TOLD_TOGETHER:
                await asyncio.sleep(0)

    async def _clear_away(self, rolls: dict[UUID, Roll]) -> None:
        """Forget in the store what dead processes have told. One that was only away hears of it, and tells it again."""
        calls = [
            store.announce(session_id, process, NOBODY, is_news=True)
            for session_id, roll in rolls.items()
            for process in self._living.dead & roll.keys()
        ]
        if calls:
            await send_all(calls)
