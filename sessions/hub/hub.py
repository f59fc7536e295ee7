"""The hub: one channel of the group layer for this whole process, one subscription for each session it serves.

A commit's frames arrive once and are handed to every client here. The layer is a hint; the position check
(reconciliation.py) makes good what it loses.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from sessions import announcements
from sessions.announcements import HubMessage
from sessions.hub import credential_expiry, reconciliation
from sessions.hub.broadcast_group import MAX_GROUP_SIZE
from sessions.hub.delivery import Delivery
from sessions.hub.presence import Presence
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topic, Topics
from synckairos import background
from synckairos.close_codes import CloseReason
from synckairos.engine.state import State
from synckairos.errors import ServiceUnavailable
from synckairos.redis import keys
from synckairos.redis.store_clock import store_clock
from synckairos.telemetry import logs, metrics

log = logs.get_logger(__name__)

CHECK_EVERY_S = 1.0
_AFTER_FAULT_S = 0.5
_SEND_AWAY_EVERY_S = 0.1
_LAST_WORDS_S = 2.0
_LONGEST_RETRY_MS = 1_000
T = TypeVar("T")


class Hub:
    """All topics of one event loop, and what keeps them right."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.presence = Presence(self.topics)
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._opening = asyncio.Lock()
        self._may_have_missed = asyncio.Event()
        """The layer was away."""
        self._tasks: list[asyncio.Task[None]] = []
        self._has_ended = False
        self._served = 0
        """Clients since others had their turn."""

    async def join(self, session_id: UUID, subscriber: Subscriber) -> None:
        """Subscribe a client to a session. Raises ServiceUnavailable, RateLimitExceeded. Read the state after."""
        topic = self.topics.add(session_id, subscriber)
        try:
            channel = await self._open()
            async with topic.lock:
                if not topic.is_subscribed:
                    await self._layer.group_add(keys.group(session_id), channel)
                    topic.is_subscribed = True
        except (RedisError, ServiceUnavailable) as away:
            await self.leave(session_id, subscriber)
            raise ServiceUnavailable from away

    def note_access_checked(self, session_id: UUID, state: State) -> None:
        """A client was judged by this state: from here on, messages say what changes."""
        topic = self.topics.get(session_id)
        if topic is not None and topic.access_position[0] is None:
            topic.access_position = (state.epoch, state.version)

    def welcome(self, session_id: UUID, subscriber: Subscriber) -> None:
        """The client has been shown the state: tell it who is there, and the others of it."""
        topic = self.topics.get(session_id)
        if topic is None or not subscriber.is_present:
            return
        if topic.connected and topic.presence is not None:
            subscriber.offer_presence(topic.presence)
        self.presence.changed(session_id)

    async def leave(self, session_id: UUID, subscriber: Subscriber) -> None:
        """Forget a client; the last one of a session ends the subscription."""
        subscriber.detach()
        topic = self.topics.remove(session_id, subscriber)
        if topic is None:
            return
        if subscriber.counts_as_present:
            self.presence.changed(session_id)
        async with topic.lock:
            if self.topics.remove_if_empty(topic) and topic.is_subscribed:
                topic.is_subscribed = False
                await self._unsubscribe(session_id)

    def __len__(self) -> int:
        """The number of clients that are connected to this process."""
        return len(self.topics.subscribers())

    async def send_away(self, within_s: float, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Ask all clients to come back to another process, one after the other or in portions, and see them off.

        However few they are, they go spread over all of the time. `pause` waits for seconds, or less when it must not.
        """
        subscribers = self.topics.subscribers()
        random.shuffle(subscribers)  # one session's clients should not all ask anew at once
        began_s = asyncio.get_running_loop().time()
        for after_s, portion in spread(subscribers, within_s):
            if after_s:
                await pause(began_s + after_s - asyncio.get_running_loop().time())
            for subscriber in portion:
                retry_ms = random.randrange(_LONGEST_RETRY_MS)  # noqa: S311 - spreads load, keeps no secret
                with suppress(Exception):  # it was leaving anyway
                    subscriber.close(*CloseReason.SERVER_RESTARTING.format(n=retry_ms))
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.topics.are_empty.wait()
        except TimeoutError:
            log.warning("clients did not leave", clients=len(self.topics.subscribers()))

    async def stop(self) -> None:
        """End the hub's tasks, and its connection to the group layer. Nobody joins any more."""
        self._has_ended = True
        try:
            if self._tasks:
                await background.stop(*self._tasks, within_s=_LAST_WORDS_S)
                self._tasks.clear()
                await self.presence.leave()
        finally:
            await self._layer.flush()

    async def _open(self) -> str:
        async with self._opening:  # concurrent joins must not make two channels
            if self._has_ended:
                raise ServiceUnavailable
            if self._channel is None:
                self._channel = await self._layer.new_channel()
                self._layer.on_reconnected(self._may_have_missed.set)
                self._tasks = [
                    background.run_forever(self._receive, "receive"),
                    background.run_forever(self._check_positions, "check positions"),
                    background.run_forever(partial(credential_expiry.run, self.topics), "sweep"),
                    background.run_forever(self.presence.stay_alive, "stay alive"),
                    background.run_forever(self.presence.run, "presence"),
                ]
            return self._channel

    async def _unsubscribe(self, session_id: UUID) -> None:
        try:
            await self._layer.group_discard(keys.group(session_id), self._channel)
        except RedisError as away:
            log.warning("unsubscribe failed", session_id=str(session_id), error=type(away).__name__)

    async def _receive(self) -> None:
        while True:
            try:
                received = await self._layer.receive_all(self._channel)
            except RedisError as away:
                log.warning("group layer away", error=type(away).__name__)
                await asyncio.sleep(_AFTER_FAULT_S)
                continue
            self._served = 0
            for data in received:
                try:
                    message = announcements.unpack(data)
                    if isinstance(message, HubMessage):
                        await self._deliver(message)
                    elif message is not None:
                        self.presence.hinted(message.session_id)
                except Exception:
                    # One message's fault is its own: the position check delivers what it would have.
                    metrics.SOCKET_FAULTS.inc()
                    log.exception("message of the group layer not understood")

    async def _deliver(self, message: HubMessage) -> None:
        topic = self.topics.get(message.session_id)
        if topic is None:
            return
        delivery = Delivery(message)
        for group in list(topic.groups):
            if self._served >= MAX_GROUP_SIZE:
                self._served = 0
                await asyncio.sleep(0)  # others get their turn
            self._served += len(group.subscribers)
            delivery.deliver_to(group)
        self._keep_up(topic, message)
        if message.access_snapshot is not None:
            self.presence.changed(topic.session_id)

    def _keep_up(self, topic: Topic, message: HubMessage) -> None:
        """A message that was missed may have said who may look on: then all are judged anew."""
        epoch, version = topic.access_position
        if message.epoch == epoch and message.version <= version:
            return  # a late one
        if not message.is_creation and (message.epoch, message.since_version) != topic.access_position:
            self.presence.reseat(topic.session_id)
        topic.access_position = (message.epoch, message.version)

    async def _check_positions(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._may_have_missed.wait()
            if self._may_have_missed.is_set():
                self.presence.look_again()
            self._may_have_missed.clear()
            try:
                await store_clock.probe_async()
                await reconciliation.reconcile_all(self.topics, self.presence.reseat)
            except ServiceUnavailable:
                log.warning("position check failed: the state store is away")
            except Exception:
                # Whatever it was, the next round may succeed; without this task a lost message stays lost.
                log.exception("position check failed")


def spread(clients: Sequence[T], within_s: float) -> Iterator[tuple[float, Sequence[T]]]:
    """Portions of clients, all of about a size, each with the seconds after which its turn comes: less than `within_s`,
    at even intervals of at least `_SEND_AWAY_EVERY_S`."""
    portions = min(len(clients), max(int(within_s / _SEND_AWAY_EVERY_S), 1))
    for number in range(portions):
        first, end = (len(clients) * n // portions for n in (number, number + 1))
        yield within_s * number / portions, clients[first:end]


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
