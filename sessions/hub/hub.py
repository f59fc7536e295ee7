"""The hub: one channel of the group layer for the whole process, with one subscription for each session of its clients.

The frames of a commit arrive once and are passed to every client. The group layer may lose messages; reconciliation.py
repairs that.
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
from sessions.hub import client_checks, reconciliation
from sessions.hub.broadcast_group import MAX_GROUP_SIZE
from sessions.hub.delivery import Delivery
from sessions.hub.presence_tracker import PresenceTracker
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

RECONCILE_INTERVAL_S = 1.0
_RETRY_DELAY_S = 0.5
_CLOSE_INTERVAL_S = 0.1
_CLOSE_TIMEOUT_S = 2.0
_MAX_RETRY_MS = 1_000
T = TypeVar("T")


class Hub:
    """All topics of one event loop, with the tasks that keep their clients up to date."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.presence = PresenceTracker(self.topics)
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._opening = asyncio.Lock()
        self._may_have_missed = asyncio.Event()
        """Set when the group layer has reconnected: messages may have been lost."""
        self._tasks: list[asyncio.Task[None]] = []
        self._has_ended = False
        self._served = 0
        """Number of clients served since other tasks of the loop could run."""

    async def join(self, session_id: UUID, subscriber: Subscriber) -> None:
        """Subscribe a client to a session; the caller reads the state afterwards.

        Raises ServiceUnavailable, RateLimitExceeded.
        """
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
        """Record that access was checked by this state: from its version on, messages tell of changes of access."""
        topic = self.topics.get(session_id)
        if topic is not None and topic.access_position[0] is None:
            topic.access_position = (state.epoch, state.version)

    def welcome(self, session_id: UUID, subscriber: Subscriber) -> None:
        """Send a client that has the state the presence, and announce it to the others."""
        topic = self.topics.get(session_id)
        if topic is None or not subscriber.is_present:
            return
        if topic.connected and topic.presence is not None:
            subscriber.offer_presence(topic.presence)
        self.presence.mark_changed(session_id)

    async def leave(self, session_id: UUID, subscriber: Subscriber) -> None:
        """Remove a client; the last one of a session ends the subscription."""
        subscriber.detach()
        topic = self.topics.remove(session_id, subscriber)
        if topic is None:
            return
        if subscriber.counts_as_present:
            self.presence.mark_changed(session_id)
        async with topic.lock:
            if self.topics.remove_if_empty(topic) and topic.is_subscribed:
                topic.is_subscribed = False
                try:
                    await self._layer.group_discard(keys.group(session_id), self._channel)
                except RedisError as away:
                    log.warning("unsubscribe failed", session_id=str(session_id), error=type(away).__name__)

    def __len__(self) -> int:
        """Return the number of clients that are connected to this process."""
        return len(self.topics.subscribers())

    async def send_away(self, within_s: float, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Close all clients' connections so that they reconnect to another process, and wait until they are closed.

        The closes are spread evenly over `within_s` seconds. `pause` waits for some seconds, or for less in a hurry.
        """
        subscribers = self.topics.subscribers()
        random.shuffle(subscribers)  # the clients of one session should not all reconnect at once
        began_s = asyncio.get_running_loop().time()
        for after_s, portion in spread(subscribers, within_s):
            if after_s:
                await pause(began_s + after_s - asyncio.get_running_loop().time())
            for subscriber in portion:
                retry_ms = random.randrange(_MAX_RETRY_MS)  # noqa: S311 - spreads load, keeps no secret
                with suppress(Exception):  # the connection ends anyway
                    subscriber.close(*CloseReason.SERVER_RESTARTING.format(n=retry_ms))
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.topics.are_empty.wait()
        except TimeoutError:
            log.warning("clients did not leave", clients=len(self.topics.subscribers()))

    async def stop(self) -> None:
        """End the hub's tasks and its connection to the group layer; later joins are refused."""
        self._has_ended = True
        try:
            if self._tasks:
                await background.stop(*self._tasks, within_s=_CLOSE_TIMEOUT_S)
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
                    background.run_forever(self._reconcile, "check positions"),
                    background.run_forever(partial(client_checks.run, self.topics), "sweep"),
                    background.run_forever(self.presence.stay_alive, "stay alive"),
                    background.run_forever(self.presence.run, "presence"),
                ]
            return self._channel

    async def _receive(self) -> None:
        while True:
            try:
                received = await self._layer.receive_all(self._channel)
            except RedisError as away:
                log.warning("group layer away", error=type(away).__name__)
                await asyncio.sleep(_RETRY_DELAY_S)
                continue
            self._served = 0
            for data in received:
                try:
                    message = announcements.unpack(data)
                    if isinstance(message, HubMessage):
                        await self._deliver(message)
                    elif message is not None:
                        self.presence.on_hint(message.session_id)
                except Exception:
                    # Other messages are delivered all the same, and reconciliation repairs this one.
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
                await asyncio.sleep(0)  # lets other tasks run
            self._served += len(group.subscribers)
            delivery.deliver_to(group)
        self._check_for_gap(topic, message)
        if message.encoded_access is not None:
            self.presence.mark_changed(topic.session_id)

    def _check_for_gap(self, topic: Topic, message: HubMessage) -> None:
        """Check the access of all clients again after a gap: a message that was missed may have changed it."""
        epoch, version = topic.access_position
        if message.epoch == epoch and message.version <= version:
            return  # a late message
        if not message.is_creation and (message.epoch, message.since_version) != topic.access_position:
            self.presence.recheck_access(topic.session_id)
        topic.access_position = (message.epoch, message.version)

    async def _reconcile(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONCILE_INTERVAL_S):
                    await self._may_have_missed.wait()
            if self._may_have_missed.is_set():
                self.presence.reread_all()
            self._may_have_missed.clear()
            try:
                await store_clock.probe_async()
                await reconciliation.reconcile_all(self.topics, self.presence.recheck_access)
            except ServiceUnavailable:
                log.warning("position check failed: the state store is away")
            except Exception:
                # The next round may succeed; without this task a lost message stays lost.
                log.exception("position check failed")


def spread(clients: Sequence[T], within_s: float) -> Iterator[tuple[float, Sequence[T]]]:
    """Yield portions of about equal size, each with the seconds after which it is due: less than `within_s`, at even
    intervals of at least `_CLOSE_INTERVAL_S`."""
    portions = min(len(clients), max(int(within_s / _CLOSE_INTERVAL_S), 1))
    for number in range(portions):
        first, end = (len(clients) * n // portions for n in (number, number + 1))
        yield within_s * number / portions, clients[first:end]


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the running loop's hub."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found


async def stop_hub() -> None:
    """Stop the running loop's hub, at the end of a process or a test."""
    found = _hubs.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.stop()
