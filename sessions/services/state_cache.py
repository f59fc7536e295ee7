"""What a process remembers of sessions: the state that its own last commit has led to, and that commit's id.

Whether it still holds only the store can say, and the next commit asks it (`Guess` in sessions/store/writes.py).
Nothing depends on it: it saves a round trip where it holds, and is thrown away at will.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any
from uuid import UUID

from msgspec import Struct

from synckairos.engine.state import Config, State
from synckairos.redis import client as stores

LARGEST_BYTES = 32_000_000
"""All that is remembered, as far as it can be told without weighing each object: some 17 000 sessions of two."""
_SESSION, _PARTICIPANT, _GROUP, _REVOCATION = 1_000, 400, 250, 200
"""Bytes of each (measured with tracemalloc, Python 3.11), without what clients have them carry."""


class Remembered(Struct, frozen=True):
    """One session."""

    state: State
    command_id: bytes
    is_shared: bool
    """Other processes command it too: what is remembered will hardly hold."""
    carried_bytes: int
    """Of its metadata and its action on timeout, decoded."""
    size: int
    """Bytes, more or less."""


class Memory:
    """The sessions that were commanded latest."""

    def __init__(self, largest_bytes: int = LARGEST_BYTES) -> None:
        self._largest_bytes = largest_bytes
        self._sessions: OrderedDict[int, Remembered] = OrderedDict()
        """By the number of their ids, which hashes without Python."""
        self._bytes = 0

    def get(self, session_id: UUID) -> Remembered | None:
        """What is remembered of it."""
        return self._sessions.get(session_id.int)

    def keep(self, state: State, command_id: bytes, *, is_shared: bool = False) -> None:
        """Remember this of its session, and forget those that were not commanded for longest; and one that is over."""
        before = self._forget(state.session_id)
        if state.status.is_final:
            return
        is_known = before is not None and before.state.config is state.config
        carried = before.carried_bytes if is_known and before is not None else _carried_bytes(state.config)
        listed = len(state.participants) * _PARTICIPANT + len(state.groups) * _GROUP
        size = _SESSION + listed + len(state.access.revoked) * _REVOCATION + carried
        remembered = Remembered(state, command_id, is_shared, carried, size)
        self._sessions[state.session_id.int] = remembered  # the last in order
        self._bytes += remembered.size
        while self._bytes > self._largest_bytes:
            _, oldest = self._sessions.popitem(last=False)
            self._bytes -= oldest.size

    def _forget(self, session_id: UUID) -> Remembered | None:
        known = self._sessions.pop(session_id.int, None)
        if known is not None:
            self._bytes -= known.size
        return known


def _carried_bytes(config: Config) -> int:
    """Of all objects within what a client has the session carry: thousands may be in its 4 KiB of JSON."""
    total, rest = 0, [one for one in (config.metadata, config.action_on_timeout) if one is not None]
    while rest:
        value: Any = rest.pop()
        total += sys.getsizeof(value)
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
    return total


_memory = Memory()


def memory() -> Memory | None:
    """This process's; None on a Cluster, where one script cannot prove a guess and count the caller's limit."""
    return _memory if stores.is_in_one_place() else None
