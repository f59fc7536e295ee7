"""The clients of this process, by session and by subject, within the connection limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from sessions.hub.broadcast_group import MAX_GROUP_SIZE, BroadcastGroup
from sessions.hub.position import NOWHERE
from sessions.hub.subscriber import Subscriber
from sessions.store.presence_records import CountsByProcess
from synckairos.conf import conf
from synckairos.errors import RateLimitExceeded
from synckairos.telemetry import metrics
from synckairos.webserver.transport import Frame

_RETRY_S = 5


class Topic:
    """One session's subscribers in this process."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.subscribers: set[Subscriber] = set()
        self.groups: list[BroadcastGroup[Subscriber]] = []
        """All subscribers, in groups of at most `MAX_GROUP_SIZE`."""
        self.lock = asyncio.Lock()
        self.is_subscribed = False
        self.access_position: tuple[str | None, int] = (None, 0)
        """Epoch and version up to which no change of access has been missed."""
        self.counts: CountsByProcess | None = None
        """The clients of all processes when they were last read from the store."""
        self.connected: tuple[UUID, ...] = ()
        """The participants in the last presence frame."""
        self.presence: Frame | None = None
        """The last presence frame of this topic."""

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber, also to the first group that has space."""
        self.subscribers.add(subscriber)
        group = next((group for group in self.groups if len(group.subscribers) < MAX_GROUP_SIZE), None)
        if group is None:
            group = BroadcastGroup(NOWHERE)
            self.groups.append(group)
        subscriber.group = group
        group.subscribers.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber that is detached."""
        self.subscribers.discard(subscriber)
        if subscriber.group is not None:
            subscriber.group.subscribers.discard(subscriber)
            if not subscriber.group.subscribers:
                self.groups.remove(subscriber.group)
            subscriber.group = None


class Topics:
    """All topics of one process."""

    def __init__(self) -> None:
        self._topics: dict[int, Topic] = {}
        """Topics by the number of the session's id, which is looked up faster than the id."""
        self._by_subject: Counter[str] = Counter()
        self.are_empty = asyncio.Event()
        """Set while the process has no clients."""
        self.are_empty.set()

    def __iter__(self) -> Iterator[UUID]:
        return iter([topic.session_id for topic in self._topics.values()])

    def get(self, session_id: UUID) -> Topic | None:
        """Return the topic of a session; None when it has no subscribers here."""
        return self._topics.get(session_id.int)

    def subscribers(self) -> list[Subscriber]:
        """Return every subscriber of every topic."""
        return [subscriber for topic in self._topics.values() for subscriber in topic.subscribers]

    def add(self, session_id: UUID, subscriber: Subscriber) -> Topic:
        """Add a subscriber to a session's topic. Raises RateLimitExceeded when there are too many."""
        subject = subscriber.subject
        topic = self._topics.get(session_id.int)
        _check("session", 0 if topic is None else len(topic.subscribers), conf().sockets_per_session)
        _check("principal", self._by_subject[subject], conf().sockets_per_principal)
        if topic is None:
            topic = self._topics[session_id.int] = Topic(session_id)
        topic.add(subscriber)
        self._by_subject[subject] += 1
        self.are_empty.clear()
        return topic

    def remove(self, session_id: UUID, subscriber: Subscriber) -> Topic | None:
        """Remove a subscriber and return its topic; None for one that is not subscribed."""
        topic = self._topics.get(session_id.int)
        if topic is None or subscriber not in topic.subscribers:
            return None
        topic.remove(subscriber)
        subject = subscriber.subject
        self._by_subject[subject] -= 1
        if not self._by_subject[subject]:
            del self._by_subject[subject]
        return topic

    def remove_if_empty(self, topic: Topic) -> bool:
        """Remove a topic without subscribers; return False when it has some, or has been removed."""
        if topic.subscribers or self._topics.get(topic.session_id.int) is not topic:
            return False
        del self._topics[topic.session_id.int]
        if not self._topics:
            self.are_empty.set()
        return True


def _check(limit: str, count: int, most: int | None) -> None:
    if most is not None and count >= most:
        metrics.SOCKETS_REFUSED.labels(limit).inc()
        raise RateLimitExceeded(_RETRY_S)
