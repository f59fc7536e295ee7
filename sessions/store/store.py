"""The state store: loads in one round trip with the store's clock, commits through one script. No I/O happens here.

See docs/consistency.md for what is atomic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.store import codec
from sessions.store.codec import Answer, StoredCommit
from sessions.store.lua import FOLDER
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_LOAD = Script(FOLDER / "load.lua", clock_index=0)
_HISTORY = Script(FOLDER / "history.lua")
_HEADERS = Script(FOLDER / "headers.lua")
_DUE = Script(FOLDER / "due.lua")
_FORGET = Script(FOLDER / "remove_deadline.lua", allow_oom=True)
_LEASE = Script(FOLDER / "acquire_lease.lua", allow_oom=True)
_RELEASE = Script(FOLDER / "release_lease.lua")


class SnapshotCheck(Struct, frozen=True):
    """What the commit script checks about a snapshot that was not loaded; where it does not hold, the race is lost."""

    at_ms: Instant
    """The instant that was decided on: the store's clock has reached it, and not long ago."""
    last_command_id: bytes
    """The id of the commit that has led to the state."""


class Snapshot(Struct, frozen=True):
    """A session at an instant of the store's clock.

    `answer` is the one that the Idempotency-Key was given for this session, or, when there is none, for the last one.
    """

    now: Instant
    state: State | None
    answer: Answer | None = None
    check: SnapshotCheck | None = None
    """Of a snapshot that is not proved yet; None for one that was loaded."""


class LoadedMany(Struct, frozen=True):
    """Several sessions of one shard as of one moment."""

    now: Instant
    states: list[State | None]


class History(Struct, frozen=True):
    """A session with its latest commits, newest first, as far back as they can be read: one of a newer release may tell
    of what this one does not know."""

    now: Instant
    state: State | None
    commits: list[StoredCommit]


class Due(Struct, frozen=True):
    """What a shard's deadlines say: who is overdue, and when the earliest deadline is."""

    now: Instant
    overdue: list[tuple[str, Instant]]
    """Session id (as text) and its deadline."""
    earliest_ms: Instant | None
    backlog: int
    """How many are overdue in all."""


def load(session_id: UUID, idempotency_key: str | None = None) -> Call[Snapshot]:
    """Read a session and, with a key of `keys.idempotency`, the answer that was given under it."""
    names = [keys.state(session_id)]
    if idempotency_key is not None:
        names.append(idempotency_key)
    return Call(_LOAD, names, [], _parse_loaded)


def load_many(session_ids: Sequence[UUID]) -> Call[LoadedMany]:
    """Read sessions that all live in one shard."""
    return Call(_LOAD, [keys.state(session_id) for session_id in session_ids], [], _parse_many)


def history(session_id: UUID) -> Call[History]:
    """Read a session together with its latest commits."""
    return Call(_HISTORY, [keys.state(session_id), keys.recent(session_id)], [], _parse_history)


def headers(session_ids: Sequence[UUID]) -> Call[list[tuple[str, int] | None]]:
    """Epoch and version of sessions that all live in one shard; None for one that does not exist."""
    names = [keys.state(session_id) for session_id in session_ids]
    return Call(_HEADERS, names, [codec.HEADER_BYTES], _parse_headers)


def due(shard: int, limit: int) -> Call[Due]:
    """The sessions of a shard whose deadline has come, longest overdue first."""
    return due_in(keys.deadlines(shard), limit)


def due_in(name: str, limit: int) -> Call[Due]:
    """The same of any sorted set of sessions by an instant of theirs."""
    return Call(_DUE, [name], [limit], _parse_due)


def lease(shard: int, keeper: str, length_ms: Duration) -> Call[bool]:
    """Take or keep a shard for a timekeeper; False when another one has it."""
    return Call(_LEASE, [keys.lease(shard)], [keeper, length_ms], bool)


def release(shard: int, keeper: str) -> Call[bool]:
    """Give a shard back; False when it was not held."""
    return Call(_RELEASE, [keys.lease(shard)], [keeper, keys.wake_channel(shard)], bool)


def forget(session_id: UUID, *, set_aside: bool, reason: str = "") -> Call[bool]:
    """Take away the deadline of a session that is gone, or with `set_aside` of one that cannot be read."""
    return forget_in(keys.deadlines(keys.shard_of(session_id)), session_id, set_aside=set_aside, reason=reason)


def forget_in(name: str, session_id: UUID, *, set_aside: bool = False, reason: str = "") -> Call[bool]:
    """The same of any sorted set of sessions."""
    names = [keys.state(session_id), name, *_aside(keys.shard_of(session_id))]
    return Call(_FORGET, names, [str(session_id), "1" if set_aside else "0", reason], bool)


def forget_junk(shard: int, name: str, member: str) -> Call[bool]:
    """Take away from a sorted set of a shard what is the id of no session."""
    return Call(_FORGET, [f"{name}:none", name, *_aside(shard)], [member, "0", ""], bool)


def _aside(shard: int) -> tuple[str, str]:
    return keys.set_aside(shard), keys.set_aside_reasons(shard)


def instant(reply: Sequence[Any]) -> Instant:
    """The store's clock, which a reply begins with."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000


def state_in(data: bytes | None) -> State | None:
    """A stored state."""
    return None if data is None else codec.decode_state(data)


def _parse_loaded(reply: list[Any]) -> Snapshot:
    state = state_in(reply[2])
    answer = codec.decode_answer(reply[3]) if len(reply) > 3 and reply[3] is not None else None  # noqa: PLR2004
    if answer is not None and state is not None and answer.state.epoch != state.epoch:
        answer = None  # it was given about a session that has made way for this one
    return Snapshot(instant(reply), state, answer)


def _parse_many(reply: list[Any]) -> LoadedMany:
    return LoadedMany(instant(reply), [state_in(data) for data in reply[2:]])


def _parse_history(reply: list[Any]) -> History:
    return History(instant(reply), state_in(reply[2]), list(_readable(reply[3])))


def _readable(stored: Sequence[bytes]) -> Iterator[StoredCommit]:
    """The commits before one that cannot be read: without it those after it prove nothing."""
    for data in stored:
        try:
            yield codec.decode_commit(data)
        except codec.Unreadable:
            return


def _parse_headers(reply: list[bytes]) -> list[tuple[str, int] | None]:
    return [codec.read_header(data) if data else None for data in reply]


def _parse_due(reply: list[Any]) -> Due:
    earliest_ms = None if reply[3] is None else int(float(reply[3]))
    members, deadlines = reply[2][::2], reply[2][1::2]
    overdue = [(m.decode(), int(float(at_ms))) for m, at_ms in zip(members, deadlines, strict=True)]
    return Due(instant(reply), overdue, earliest_ms, int(reply[4]))
