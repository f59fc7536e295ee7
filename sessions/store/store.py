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
from synckairos import stored_state
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_LOAD = Script(FOLDER / "load.lua", clock_index=0)
_HISTORY = Script(FOLDER / "history.lua")
_HEADERS = Script(FOLDER / "headers.lua")
_DUE = Script(FOLDER / "due.lua")
_REMOVE_DEADLINE = Script(FOLDER / "remove_deadline.lua", allow_oom=True)
_ACQUIRE_LEASE = Script(FOLDER / "acquire_lease.lua", allow_oom=True)
_RELEASE_LEASE = Script(FOLDER / "release_lease.lua")


class SnapshotCheck(Struct, frozen=True):
    """The check of an unproved snapshot by the commit script; if it fails, the commit is a lost race."""

    at_ms: Instant
    """The instant of the decision: the store's clock must have reached it, not long ago."""
    last_command_id: bytes
    """Id of the commit that led to the state."""
    may_have_listeners: bool = True
    """False when that commit had none: then the next one is tried without a message."""


class Snapshot(Struct, frozen=True):
    """A session at an instant of the store's clock.

    `answer` is the one that the Idempotency-Key was given for this session, or, when there is none, for the last one.
    """

    now: Instant
    state: State | None
    answer: Answer | None = None
    check: SnapshotCheck | None = None
    """The check of an unproved snapshot; None for one that was loaded."""


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
    """The overdue sessions of a shard, and its earliest deadline."""

    now: Instant
    overdue: list[tuple[str, Instant]]
    """Session id (as text) and deadline of each."""
    earliest_ms: Instant | None
    backlog: int
    """Number of all overdue sessions."""


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
    """Read epoch and version of sessions of one shard; None for one that does not exist."""
    names = [keys.state(session_id) for session_id in session_ids]
    return Call(_HEADERS, names, [stored_state.HEADER_BYTES], _parse_headers)


def due(shard: int, limit: int) -> Call[Due]:
    """Read the sessions of a shard whose deadline is due, the longest overdue first."""
    return due_members(keys.deadlines(shard), limit)


def due_members(name: str, limit: int) -> Call[Due]:
    """Read the due members of any sorted set of sessions by instant."""
    return Call(_DUE, [name], [limit], _parse_due)


def acquire_lease(shard: int, keeper: str, length_ms: Duration) -> Call[bool]:
    """Acquire or renew the lease of a shard; False when another timekeeper has it."""
    return Call(_ACQUIRE_LEASE, [keys.lease(shard)], [keeper, length_ms], bool)


def release_lease(shard: int, keeper: str) -> Call[bool]:
    """Release the lease of a shard; False when it was not held."""
    return Call(_RELEASE_LEASE, [keys.lease(shard)], [keeper, keys.wake_channel(shard)], bool)


def remove_deadline(session_id: UUID, *, set_aside: bool, reason: str = "") -> Call[bool]:
    """Remove the deadline of a deleted session, or with `set_aside` move that of one that cannot be read."""
    return remove_member(keys.deadlines(keys.shard_of(session_id)), session_id, set_aside=set_aside, reason=reason)


def remove_member(name: str, session_id: UUID, *, set_aside: bool = False, reason: str = "") -> Call[bool]:
    """Remove a session as `remove_deadline` does, from any sorted set of sessions."""
    names = [keys.state(session_id), name, *_aside(keys.shard_of(session_id))]
    return Call(_REMOVE_DEADLINE, names, [str(session_id), "1" if set_aside else "0", reason], bool)


def remove_invalid_member(shard: int, name: str, member: str) -> Call[bool]:
    """Remove a member that is no session id from a sorted set of a shard."""
    return Call(_REMOVE_DEADLINE, [f"{name}:none", name, *_aside(shard)], [member, "0", ""], bool)


def _aside(shard: int) -> tuple[str, str]:
    return keys.set_aside(shard), keys.set_aside_reasons(shard)


def parse_instant(reply: Sequence[Any]) -> Instant:
    """Return the store's clock from the beginning of a reply, in ms."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000


def parse_state(data: bytes | None) -> State | None:
    """Decode a stored state, if there is one."""
    return None if data is None else stored_state.decode_state(data)


def _parse_loaded(reply: list[Any]) -> Snapshot:
    state = parse_state(reply[2])
    answer = codec.decode_answer(reply[3]) if len(reply) > 3 and reply[3] is not None else None  # noqa: PLR2004
    if answer is not None and state is not None and answer.state.epoch != state.epoch:
        answer = None  # it is about an earlier session under this id
    return Snapshot(parse_instant(reply), state, answer)


def _parse_many(reply: list[Any]) -> LoadedMany:
    return LoadedMany(parse_instant(reply), [parse_state(data) for data in reply[2:]])


def _parse_history(reply: list[Any]) -> History:
    return History(parse_instant(reply), parse_state(reply[2]), list(_readable(reply[3])))


def _readable(stored: Sequence[bytes]) -> Iterator[StoredCommit]:
    """Yield the commits up to the first that cannot be read: without it the later ones prove nothing."""
    for data in stored:
        try:
            yield codec.decode_commit(data)
        except stored_state.Unreadable:
            return


def _parse_headers(reply: list[bytes]) -> list[tuple[str, int] | None]:
    return [stored_state.read_header(data) if data else None for data in reply]


def _parse_due(reply: list[Any]) -> Due:
    earliest_ms = None if reply[3] is None else int(float(reply[3]))
    members, deadlines = reply[2][::2], reply[2][1::2]
    overdue = [(m.decode(), int(float(at_ms))) for m, at_ms in zip(members, deadlines, strict=True)]
    return Due(parse_instant(reply), overdue, earliest_ms, int(reply[4]))
