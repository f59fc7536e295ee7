"""What a process remembers of sessions: the state that its own last commit has led to, and that commit's id.

Whether it still holds only the store can say, and the next commit asks it (`Guess` in store.py). Nothing depends on it:
it saves a round trip where it holds, and is thrown away at will.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from msgspec import Struct

from synckairos import redis as stores
from synckairos.engine.state import State

LARGEST = 65_536
"""Participants of all remembered sessions together, and one more for each session: some 30 MB."""


class Remembered(Struct, frozen=True):
    """One session."""

    state: State
    command_id: bytes


class Memory:
    """The sessions that were commanded latest."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._sessions: OrderedDict[UUID, Remembered] = OrderedDict()
        self._size = 0

    def get(self, session_id: UUID) -> Remembered | None:
        """What is remembered of it."""
        return self._sessions.get(session_id)

    def keep(self, state: State, command_id: bytes) -> None:
        """Remember this of its session, and forget those that were not commanded for longest."""
        self.forget(state.session_id)
        self._sessions[state.session_id] = Remembered(state, command_id)  # the last in order
        self._size += _size_of(state)
        while self._size > self._largest:
            _, oldest = self._sessions.popitem(last=False)
            self._size -= _size_of(oldest.state)

    def forget(self, session_id: UUID) -> None:
        """It is not as it was remembered."""
        known = self._sessions.pop(session_id, None)
        if known is not None:
            self._size -= _size_of(known.state)


def _size_of(state: State) -> int:
    return 1 + len(state.participants)


_memory = Memory()


def memory() -> Memory | None:
    """This process's; None on a Cluster, where one script cannot prove a guess and count the caller's limit."""
    return _memory if stores.is_in_one_place() else None
