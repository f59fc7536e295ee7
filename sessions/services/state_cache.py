"""The state cache of a process: of each session the state that its own last commit has led to, and that commit's id.

The next commit checks a cached state (`SnapshotCheck` in sessions/store/store.py), and nothing else depends on it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.store.store import Snapshot, SnapshotCheck
from synckairos.engine.state import Config, State
from synckairos.redis import client as redis_client
from synckairos.redis.store_clock import store_clock

MAX_BYTES = 32_000_000
"""The size of the whole cache, estimated without measuring each object: some 12 000 sessions of two participants."""
_SESSION, _PARTICIPANT, _GROUP, _REVOCATION, _CONTROL = 1_700, 460, 310, 200, 400
"""Bytes of each (measured with tracemalloc, Python 3.11), without metadata and action on timeout. A time control with
stages has more, but at most eight."""


class CachedState(Struct, frozen=True):
    """The cached state of one session."""

    state: State
    command_id: bytes
    had_listeners: bool
    """Somebody has received the message of that commit."""
    is_shared: bool
    """Other processes command the session too, so the cached state is probably stale: loading costs less."""
    payload_bytes: int
    """The decoded size of its metadata, its action on timeout and its time controls."""
    size: int
    """The estimated size of all of it, in bytes."""


class StateCache:
    """The sessions that were commanded most recently."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[int, CachedState] = OrderedDict()
        """By the integer of the session id, whose hash costs less than the hash of a UUID."""
        self._bytes = 0

    def get(self, session_id: UUID) -> CachedState | None:
        """Return the cached state of a session."""
        return self._sessions.get(session_id.int)

    def snapshot(self, session_id: UUID) -> Snapshot | None:
        """Return an unproved snapshot of a session; None when it should be loaded: its state is not cached, or is
        probably stale, or the store's clock is not known well enough."""
        cached = self._sessions.get(session_id.int)
        if cached is None or cached.is_shared or (now := store_clock.lower_bound_ms()) is None:
            return None
        state = cached.state
        check = SnapshotCheck(now, cached.command_id, cached.had_listeners)
        return Snapshot(max(now, state.updated_ms), state, None, check)

    def keep(self, state: State, command_id: bytes, had_listeners: bool = True) -> None:
        """Cache a state with the id of the commit that has led to it; drop the least recently commanded sessions, and
        the state of a session that has ended."""
        before = self._drop(state.session_id)
        if state.status.is_final:
            return
        is_shared, payload = False, -1
        if before is not None:
            known = before.state
            is_shared = state.epoch != known.epoch or state.version != known.version + 1
            is_same = known.config is state.config and len(known.participants) == len(state.participants)
            payload = before.payload_bytes if is_same else -1
        if payload < 0:
            payload = _payload_bytes(state.config) + _CONTROL * _controls(state)
        listed = len(state.participants) * _PARTICIPANT + len(state.groups) * _GROUP
        size = _SESSION + listed + len(state.access.revoked) * _REVOCATION + payload
        cached = CachedState(state, command_id, had_listeners, is_shared, payload, size)
        self._sessions[state.session_id.int] = cached  # the last one
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._sessions.popitem(last=False)
            self._bytes -= oldest.size

    def _drop(self, session_id: UUID) -> CachedState | None:
        cached = self._sessions.pop(session_id.int, None)
        if cached is not None:
            self._bytes -= cached.size
        return cached


def _controls(state: State) -> int:
    """Return the number of time controls in a state, each stage counted as one."""
    own = [p.time_control for p in state.participants] + [group.time_control for group in state.groups]
    given = [control for control in (state.config.time_control, *own) if control is not None]
    return sum(len(getattr(control, "stages", ())) or 1 for control in given)


def _payload_bytes(config: Config) -> int:
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


_cache = StateCache()


def state_cache() -> StateCache | None:
    """Return the cache of this process; None on a Cluster, where one script cannot check a snapshot and count the
    caller's limit."""
    return _cache if not redis_client.is_cluster() else None
