"""Presence: each process announces the numbers of its clients, and shows its clients the sum of all announcements.

What may be late, and the order of steps by which nobody is missing from a list: docs/consistency.md#hints-presence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from sessions import messages
from sessions.hub.liveness import ALIVE_EVERY_S, Liveness
from sessions.hub.reconciliation import batches, group_by_shard
from sessions.hub.topics import Topic, Topics
from sessions.services import presence_queries, sessions
from sessions.services.retention import note_activity
from sessions.store import presence_records
from sessions.store.presence_records import KEPT_MS, NO_CLIENTS, ClientCounts, CountsByProcess
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

DEBOUNCE_S = 0.25
"""Time for which changes are collected."""
_READ_AGAIN_EVERY_S = 10.0
_ANNOUNCE_AGAIN_EVERY_S = KEPT_MS / 1000 / 3
_BATCH_SIZE = 200
_YIELD_AFTER = 500


class PresenceTracker:
    """The announcements of this process, and those of all processes that concern its clients."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._liveness = Liveness()
        self._process = self._liveness.process
        self._announced: dict[UUID, ClientCounts] = {}
        """The announcements of this process that the store has confirmed."""
        self._unconfirmed: set[UUID] = set()
        """Sessions for which the store may have another announcement of this process."""
        self._to_check_access: set[UUID] = set()
        self._to_announce: set[UUID] = set()
        self._to_read: set[UUID] = set()
        self._wake = asyncio.Event()
        self._read_at_s = self._announced_at_s = asyncio.get_running_loop().time()

    def mark_changed(self, session_id: UUID) -> None:
        """Announce a session's clients again: one has connected or disconnected."""
        self._to_announce.add(session_id)
        self._wake.set()

    def on_hint(self, session_id: UUID) -> None:
        """Read a session's announcements: a process has written a new one."""
        if self._topics.get(session_id) is not None:
            self._to_read.add(session_id)
            self._wake.set()

    def reread_all(self) -> None:
        """Read the announcements of all sessions again, because hints may have been missed."""
        topics = map(self._topics.get, self._topics)
        self._to_read |= {topic.session_id for topic in topics if topic is not None and topic.counts is not None}
        self._wake.set()

    def recheck_access(self, session_id: UUID) -> None:
        """Check the access of a session's clients again, because it may have changed."""
        self._to_check_access.add(session_id)
        self._wake.set()

    async def run(self) -> None:
        """Process collected changes for as long as the process serves."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._wake.clear()
            try:
                await self._process_pending()
            except ServiceUnavailable:
                log.debug("presence waits: the state store is away")
                await asyncio.sleep(ALIVE_EVERY_S)
                self._wake.set()

    async def stay_alive(self) -> None:
        """Report that this process is alive, update the others, and read announcements again from time to time."""
        while True:
            try:
                await self._update_liveness()
            except ServiceUnavailable:
                log.debug("presence waits: the state store is away")
            await asyncio.sleep(ALIVE_EVERY_S)

    async def leave(self) -> None:
        """Withdraw the announcements of this process, at its end."""
        try:
            await self._announce(dict.fromkeys(self._announced.keys() | self._unconfirmed, NO_CLIENTS))
            if not self._unconfirmed:  # else the other processes delete what is left, as that of a dead process
                await self._liveness.withdraw()
        except ServiceUnavailable:
            return  # the announcements will soon be ignored

    async def _update_liveness(self) -> None:
        """Report that this process is alive, and update the live processes."""
        self._apply_liveness(*await self._liveness.report())

    def _apply_liveness(self, heard: Mapping[str, Duration], now_s: float) -> None:
        """Schedule what follows from the age of each process's last report, at an instant on the loop's clock."""
        change = self._liveness.update(heard, now_s)
        if change.may_be_cleared or now_s - self._announced_at_s > _ANNOUNCE_AGAIN_EVERY_S:  # records expire
            self._announced_at_s = now_s
            self._unconfirmed |= set(self._topics) | self._announced.keys()
            self._to_announce |= self._unconfirmed
        is_old = now_s - self._read_at_s > _READ_AGAIN_EVERY_S
        if is_old:
            self._read_at_s = now_s
        if is_old or change.has_changed:
            self.reread_all()
        if self._to_check_access or self._to_announce or self._to_read:
            self._wake.set()

    async def _process_pending(self) -> None:
        if self._liveness.is_late:
            await self._update_liveness()  # announcements of a process that does not count as alive are ignored
        await self._process_set("_to_check_access", self._check_access)
        await self._process_set("_to_announce", self._announce_some)
        await self._process_set("_to_read", self._read)

    async def _process_set(self, name: str, work: Callable[[set[UUID]], Awaitable[None]]) -> None:
        """Process one of the sets; after a failure all of it is processed again, which is harmless."""
        taken: set[UUID] = getattr(self, name)
        setattr(self, name, set())
        try:
            await work(taken)
        except BaseException:
            getattr(self, name).update(taken)
            raise

    async def _check_access(self, session_ids: set[UUID]) -> None:
        for session_id in session_ids:
            topic = self._topics.get(session_id)
            if topic is None:
                continue
            try:
                state = (await run_async(sessions.get(session_id, SYSTEM))).state
            except SessionNotFound:
                continue
            if topic.access_position[0] not in {None, state.epoch}:
                self._to_check_access.add(session_id)  # the session was created anew meanwhile: check again
                self._wake.set()
                continue
            topic.access_position = max(topic.access_position, (state.epoch, state.version), key=lambda known: known[1])
            seats = seats_by_subject(state)
            for number, subscriber in enumerate(list(topic.subscribers), 1):
                if subscriber.position.is_before(state.epoch, state.version + 1):  # else a newer state has decided
                    subscriber.check_access(state, seats)
                if not number % _YIELD_AFTER:
                    await asyncio.sleep(0)
            self._to_announce.add(session_id)

    async def _announce_some(self, session_ids: set[UUID]) -> None:
        mine = {session_id: self._local_counts(session_id) for session_id in session_ids}
        for session_id, new in mine.items():
            topic = self._topics.get(session_id)
            if topic is not None and (topic.counts is None or self._is_news(session_id, new)):
                # The counts of other processes from the last read may be older than this change.
                self._to_read.add(session_id)
        await self._announce(mine)

    def _local_counts(self, session_id: UUID) -> ClientCounts:
        """Return the numbers of this process's clients of a session."""
        topic = self._topics.get(session_id)
        viewers = 0
        clients: dict[str, int] = {}
        for subscriber in () if topic is None else topic.subscribers:
            if not subscriber.is_present:
                continue
            viewers += not subscriber.participants
            for participant_id in subscriber.participants:
                clients[str(participant_id)] = clients.get(str(participant_id), 0) + 1
        return ClientCounts(viewers, clients)

    async def _announce(self, mine: Mapping[UUID, ClientCounts]) -> None:
        changed = {i: new for i, new in mine.items() if i in self._unconfirmed or new != self._announced_counts(i)}
        for some in batches(list(changed), _BATCH_SIZE):
            calls: list[Call[bool]] = []
            for session_id in some:
                is_news = self._is_news(session_id, changed[session_id])
                calls.append(
                    presence_records.write_client_counts(
                        session_id, self._process, changed[session_id], is_news=is_news
                    )
                )
            self._unconfirmed.update(some)  # until the store has confirmed it
            # A client that connects, stays or leaves is a sign of life of the session.
            replies = await send_all([*calls, *map(note_activity, some)])
            for session_id, reply in zip(some, replies, strict=False):
                if isinstance(reply, Exception):
                    self._to_announce.add(session_id)
                    continue
                self._unconfirmed.discard(session_id)
                if changed[session_id].is_empty:
                    self._announced.pop(session_id, None)
                else:
                    self._announced[session_id] = changed[session_id]

    def _is_news(self, session_id: UUID, new: ClientCounts) -> bool:
        """Return true when other processes need a hint: other participants are connected now."""
        return (
            session_id in self._unconfirmed
            or new.participants.keys() != self._announced_counts(session_id).participants.keys()
        )

    def _announced_counts(self, session_id: UUID) -> ClientCounts:
        return self._announced.get(session_id, NO_CLIENTS)

    async def _read(self, session_ids: set[UUID]) -> None:
        for together in group_by_shard(session_ids):
            for some in batches(together, _BATCH_SIZE):
                topics = [self._topics.get(session_id) for session_id in some]
                listening = [topic is not None and topic.is_subscribed for topic in topics]
                found = await send(presence_records.load_client_counts(some))
                counts_of_sessions = dict(zip(some, found, strict=True))
                if any(counts.keys() - self._liveness.alive for counts in counts_of_sessions.values()):
                    await self._update_liveness()  # it may have reported since
                for topic, hears_of_news in zip(topics, listening, strict=True):
                    if topic is not None and hears_of_news:  # else it is read again once it is subscribed
                        await self._note_counts(topic, counts_of_sessions[topic.session_id])
                await self._delete_dead(counts_of_sessions)

    async def _note_counts(self, topic: Topic, counts: CountsByProcess) -> None:
        """Store the announcements of all processes for a session, and show its clients what has changed."""
        topic.counts = counts
        if counts.get(self._process, NO_CLIENTS) != self._announced_counts(topic.session_id):
            self._unconfirmed.add(topic.session_id)  # the store's record of this process is lost or old
            self.mark_changed(topic.session_id)
        await self._send_presence(topic)

    async def _send_presence(self, topic: Topic) -> None:
        """Send a presence frame to the session's clients when the connected participants have changed."""
        session_id = topic.session_id
        # This process knows its own clients better than the store, which may have lost the announcement.
        counts = (topic.counts or {}) | {self._process: self._announced_counts(session_id)}
        connected = presence_queries.present(counts, self._liveness.alive | {self._process}).connected
        if connected == topic.connected:
            return
        topic.connected = connected
        topic.presence = Frame(messages.presence(session_id, store_clock.now_ms(), connected))
        for number, subscriber in enumerate(list(topic.subscribers), 1):
            if subscriber.is_present:
                subscriber.offer_presence(topic.presence)
            if not number % _YIELD_AFTER:
                await asyncio.sleep(0)

    async def _delete_dead(self, counts_of_sessions: dict[UUID, CountsByProcess]) -> None:
        """Delete the announcements of dead processes. A process that is alive notices the hint, and announces again."""
        calls = [
            presence_records.write_client_counts(session_id, process, NO_CLIENTS, is_news=True)
            for session_id, counts in counts_of_sessions.items()
            for process in self._liveness.dead & counts.keys()
        ]
        if calls:
            await send_all(calls)
