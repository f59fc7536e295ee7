"""The search of the state store for a person: states, recent commits, answers, tickets and entries of the outbox.

All functions raise redis.RedisError when the store cannot serve. Keys are read in portions, and each value in question
is decoded: the bytes of a name may be a part of another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from audit import outbox_reader
from audit.event_eraser import EventEraser
from audit.outbox_reader import BEFORE_ALL
from audit.personal_values import Person
from sessions.store import codec
from sessions.store.codec import Answer
from sessions.store.ticket_records import decode
from synckairos import outbox, stored_state
from synckairos.auth.permissions import seats_by_subject
from synckairos.engine.events import Event
from synckairos.engine.state import State
from synckairos.ids import parse_uuid
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.stored_state import Unreadable

_PORTION = 500
Position: TypeAlias = tuple[int, int]
"""The id of an entry of a stream, as it is compared."""


class StoredState(Struct, frozen=True):
    """A stored state in which a person stands, and its stored form."""

    state: State
    data: bytes


class Traces:
    """The values about one person in the state store."""

    def __init__(self, person: Person) -> None:
        self._person = person
        own_id = parse_uuid(person.user_id)
        self._needles = [person.user_id.encode(), *([] if own_id is None else [own_id.bytes])]

    def states(self) -> Iterator[StoredState]:
        """Yield the states with a seat of the person, with the person as the owner, or whose metadata can name it."""
        for _, data in self._values(keys.all_states()):
            with suppress(Unreadable):
                state = stored_state.decode_state(data)
                if self.is_in(state):
                    yield StoredState(state, data)

    def is_in(self, state: State) -> bool:
        """Return true for a state in which the person may stand."""
        metadata = state.config.metadata
        if has_part(state, self._person.user_id):
            return True
        return metadata is not None and self._person.is_named_in(metadata, is_related=True)

    def answers(self) -> Iterator[tuple[str, bytes, Answer]]:
        """Yield the kept answers with such a state, each with its key and its stored form."""
        for name, data in self._values(keys.all_answers(), is_packed=True):
            with suppress(Unreadable):
                answer = codec.decode_answer(data)
                if self.is_in(answer.state):
                    yield name, data, answer

    def commits(self) -> Iterator[tuple[str, bytes]]:
        """Yield the recent commits with values about the person, each with the key of its list."""
        for some in _portions(_scan(keys.all_recent())):
            pipe = redis_client.blocking_client().pipeline(transaction=False)
            for name in some:
                pipe.lrange(name, 0, -1)
            for name, commits in zip(some, pipe.execute(), strict=True):
                for data in commits:
                    if self._may_be_in(data) and self._is_in_commit(data):
                        yield name, data

    def tickets(self) -> Iterator[str]:
        """Yield the keys of the person's one-time tickets."""
        client = redis_client.blocking_client()
        for name in _scan(keys.all_tickets()):
            data = client.get(name)
            with suppress(Unreadable):
                if data is not None and decode(data).principal.subject == self._person.user_id:
                    yield name

    def count_waiting(self, marks: dict[int, Position]) -> int:
        """Return the number of outboxes that were not drained up to their marks (`outbox_marks`), whose reasons can be
        about the person; else that of later entries with values about the person."""
        early = sum(_is_behind(keys.outbox(shard), mark) for shard, mark in marks.items())
        return early or self._count_entries(
            name for shard in keys.all_shards() for name in keys.undrained_outboxes(shard)
        )

    def count_dead_letters(self) -> int:
        """Return the number of such entries that were set aside for staff."""
        return self._count_entries(map(keys.outbox_dead, keys.all_shards()))

    def _count_entries(self, streams: Iterator[str]) -> int:
        return sum(self._is_in_entry(entry.data) for name in streams for entry in _entries(name))

    def _is_in_entry(self, data: bytes) -> bool:
        if not self._may_be_in(data):
            return False
        try:
            entry = outbox.decode(data)
        except (outbox.Newer, msgspec.MsgspecError, ValueError):
            return True  # this release cannot tell
        return (
            entry.principal == self._person.user_id
            or any(seat.user_id == self._person.user_id for seat in entry.participants)
            or self._is_in_events(entry.events)
            or (entry.snapshot is not None and self._is_in_snapshot(entry.snapshot))
        )

    def _is_in_snapshot(self, data: bytes) -> bool:
        try:
            return self.is_in(stored_state.decode_state(data))
        except Unreadable:
            return True

    def _is_in_commit(self, data: bytes) -> bool:
        try:
            return self._is_in_events(codec.decode_commit(data).events)
        except Unreadable:
            return True

    def _is_in_events(self, events: tuple[Event, ...]) -> bool:
        eraser = EventEraser(self._person)
        return any(eraser.erase(event, by="") is not event for event in events)

    def _may_be_in(self, data: bytes) -> bool:
        return any(needle in data for needle in self._needles)

    def _values(self, pattern: str, *, is_packed: bool = False) -> Iterator[tuple[str, bytes]]:
        """Yield the strings with keys of a pattern, and their values, if the person may be in them."""
        client = redis_client.blocking_client()
        read = client.mget_nonatomic if redis_client.is_cluster() else client.mget
        for some in _portions(_scan(pattern)):
            for name, data in zip(some, read(some), strict=True):
                if data is not None and (is_packed or self._may_be_in(data)):
                    yield name, data


def has_part(state: State, user_id: str) -> bool:
    """Return true for a person who owns a session or has a seat in it."""
    return state.access.owner == user_id or user_id in seats_by_subject(state)


def outbox_marks() -> dict[int, Position]:
    """Return the position of the newest entry of each shard's outbox."""
    newest = {shard: outbox_reader.last_id(keys.outbox(shard)) for shard in keys.all_shards()}
    return {shard: _position(entry_id) for shard, entry_id in newest.items() if entry_id is not None}


def _is_behind(stream: str, mark: Position) -> bool:
    oldest = outbox_reader.read_range(stream, BEFORE_ALL, 1)
    return bool(oldest) and _position(oldest[0].entry_id) <= mark


def _position(entry_id: str) -> Position:
    at_ms, _, number = entry_id.partition("-")
    return int(at_ms), int(number)


def session_in(name: str) -> UUID:
    """Return the session whose id stands in a key."""
    return UUID(name.split(":")[3])


def _scan(pattern: str) -> Iterator[str]:
    for name in redis_client.blocking_client().scan_iter(match=pattern, count=_PORTION):
        yield name.decode()


def _portions(names: Iterator[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    for name in names:
        portion.append(name)
        if len(portion) == _PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _entries(stream: str) -> Iterator[outbox_reader.StreamEntry]:
    position = BEFORE_ALL
    while some := outbox_reader.read_range(stream, position, outbox_reader.COMMAND_SIZE):
        yield from some
        position = some[-1].entry_id
