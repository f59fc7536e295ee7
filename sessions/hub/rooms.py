"""Who is here: the clients of this process, by session and by person, within the limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from sessions.hub.broadcast_group import LARGEST, Step
from sessions.hub.subscriber import NOWHERE, Outlet
from sessions.store.presence import Roll
from synckairos.conf import conf
from synckairos.errors import RateLimitExceeded
from synckairos.telemetry import metrics
from synckairos.webserver.transport import Frame

_RETRY_S = 5


class Room:
    """The clients of one session in this process."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.outlets: set[Outlet] = set()
        self.steps: list[Step] = []
        """The same clients, in portions."""
        self.lock = asyncio.Lock()
        self.is_subscribed = False
        self.known: tuple[str | None, int] = (None, 0)
        """Epoch and version up to which nothing was missed that says who may look on."""
        self.roll: Roll | None = None
        """What all processes had told of its clients when that was last read."""
        self.connected: tuple[UUID, ...] = ()
        """The participants that its clients were last told of."""
        self.presence: Frame | None = None
        """How they were told."""

    def add(self, outlet: Outlet) -> None:
        """One more."""
        self.outlets.add(outlet)
        with_room = (step for step in self.steps if len(step.outlets) < LARGEST)
        outlet.step = next(with_room, None)
        if outlet.step is None:
            outlet.step = Step(NOWHERE)
            self.steps.append(outlet.step)
        outlet.step.outlets.add(outlet)

    def remove(self, outlet: Outlet) -> None:
        """One less, who is detached."""
        self.outlets.discard(outlet)
        if outlet.step is not None:
            outlet.step.outlets.discard(outlet)
            if not outlet.step.outlets:
                self.steps.remove(outlet.step)
            outlet.step = None


class Rooms:
    """All rooms of one process."""

    def __init__(self) -> None:
        self._rooms: dict[int, Room] = {}
        """By the number of the session's id, which is looked up faster than the id."""
        self._by_subject: Counter[str] = Counter()
        self.are_empty = asyncio.Event()
        """Nobody is here."""
        self.are_empty.set()

    def __iter__(self) -> Iterator[UUID]:
        return iter([room.session_id for room in self._rooms.values()])

    def get(self, session_id: UUID) -> Room | None:
        """The room of a session; None when nobody is here for it."""
        return self._rooms.get(session_id.int)

    def outlets(self) -> list[Outlet]:
        """Every client."""
        return [outlet for room in self._rooms.values() for outlet in room.outlets]

    def admit(self, session_id: UUID, outlet: Outlet) -> Room:
        """Take a client in. Raises RateLimitExceeded when there are too many."""
        subject = outlet.subject
        room = self._rooms.get(session_id.int)
        _check("session", 0 if room is None else len(room.outlets), conf().sockets_per_session)
        _check("principal", self._by_subject[subject], conf().sockets_per_principal)
        if room is None:
            room = self._rooms[session_id.int] = Room(session_id)
        room.add(outlet)
        self._by_subject[subject] += 1
        self.are_empty.clear()
        return room

    def part(self, session_id: UUID, outlet: Outlet) -> Room | None:
        """Let a client go; gives its room. None for one that is not here (any more)."""
        room = self._rooms.get(session_id.int)
        if room is None or outlet not in room.outlets:
            return None
        room.remove(outlet)
        subject = outlet.subject
        self._by_subject[subject] -= 1
        if not self._by_subject[subject]:
            del self._by_subject[subject]
        return room

    def close(self, room: Room) -> bool:
        """Forget a room that nobody is in; False when somebody is, or when it has been forgotten."""
        if room.outlets or self._rooms.get(room.session_id.int) is not room:
            return False
        del self._rooms[room.session_id.int]
        if not self._rooms:
            self.are_empty.set()
        return True


def _check(limit: str, here: int, most: int | None) -> None:
    if most is not None and here >= most:
        metrics.SOCKETS_REFUSED.labels(limit).inc()
        raise RateLimitExceeded(_RETRY_S)
