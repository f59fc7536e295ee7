"""The commit of one transition: its request, the call, and the replies. No I/O happens here.

See docs/consistency.md for what is atomic.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.store import codec, store
from sessions.store.codec import Answer, StoredCommit
from sessions.store.lua import FOLDER
from sessions.store.owner_quotas import QuotaChange
from sessions.store.store import SnapshotCheck
from synckairos import stored_state
from synckairos.conf import Rate, conf
from synckairos.engine.state import State
from synckairos.engine.units import Duration, Instant
from synckairos.ids import COMMAND_ID_BYTES
from synckairos.ratelimit.limits import GCRA_RULE
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_SCRIPT = Script(FOLDER / "commit.lua", GCRA_RULE, FOLDER / "claim_rule.lua", clock_index=2)

FURTHEST_BACK_MS = 100
"""Largest age of the instant of an unproved snapshot when the script checks it."""


class Record(Struct):
    """The answer to store under an idempotency key of `keys.idempotency`, for `kept_ms`."""

    key: str
    answer: Answer
    kept_ms: Duration
    size: int = 0
    """Size in bytes, set when the call is made."""


class CommitRequest(Struct, frozen=True):
    """Everything that one commit checks and writes."""

    before: State | None
    """The state before the transition; None for a creation."""
    after: State | None
    """The new state; None to delete."""
    state: State
    """The state after the commit, with its digest; of a deletion too."""
    session_id: UUID
    forget_at_ms: Instant
    deadline_ms: Instant | None
    idle_check_ms: Instant | None
    """Instant of the next review for abandonment; None when the session has ended, or has a deadline and does not
    switch by itself."""
    is_sign_of_life: bool
    """False for a commit that only applies deadlines: an instant that is noted already stays."""
    was_idle: bool
    """True when such an instant may be noted; a removal with every switch would cost time."""
    command_id: bytes
    commit: StoredCommit
    outbox_entry: bytes
    message: bytes
    """The message for the group layer, encoded; empty to write nothing if there are subscribers, which a Cluster cannot
    know."""
    record: Record | None = None
    """Record of the caller's Idempotency-Key, if any."""
    switch_rate: Rate | None = None
    """Rate limit of such commits of the session; None for no limit."""
    caller_rate: tuple[str, Rate] | None = None
    """Key and rate of the caller's limit when this script counts it; on a Cluster the key is in another slot."""
    check: SnapshotCheck | None = None
    places: QuotaChange | None = None
    """The change of the owner's quota sets."""
    stored: bytes | None = None
    """The new state as it is stored, if it was encoded already."""
    is_repeatable: bool = False
    """True when other attempts may bring the same command id, of which one is committed."""


class CommitReply(Struct, frozen=True, kw_only=True):
    """The result of a commit."""

    limits: list[int] = []
    """The status of each counted limit, three numbers of `gcra_rule.lua` each: the caller's, then the session's."""


class Committed(CommitReply, frozen=True):
    """The transition is committed, by this call or by an earlier one whose reply was lost."""

    had_listeners: bool = True
    """False when there was no message, or nobody has received it."""


class RateLimited(CommitReply, frozen=True):
    """A rate limit is exceeded: nothing was written."""


class AlreadyAnswered(CommitReply, frozen=True):
    """The Idempotency-Key has been used before: nothing was written."""

    answer: Answer


class LostRace(CommitReply, frozen=True):
    """Another commit came first: nothing was written. The snapshot is the present state."""

    snapshot: store.Snapshot


class HasListeners(CommitReply, frozen=True):
    """The group has subscribers, and the request had no message: nothing was written."""


class SessionMissing(CommitReply, frozen=True):
    """The session does not exist: nothing was written."""


class QuotaFull(CommitReply, frozen=True):
    """The owner's set of this number is full: nothing was written."""

    number: int


class StoreRefused(CommitReply, frozen=True):
    """The store takes no writes: nothing was written."""


def commit(write: CommitRequest, *, if_full: StoreRefused | None = None) -> Call[CommitReply]:
    """Commit one transition, all or nothing. A store that takes no writes raises StoreFull, or gives `if_full`."""
    places = keys.commit_keys(write.session_id)
    names = [*places.keys]
    owned = write.places if write.places is not None and not redis_client.is_cluster() else None
    if owned is not None:
        names += owned.sets
    if write.record is not None:
        names.append(write.record.key)
    if write.switch_rate is not None:
        names.append(keys.switch_rate(write.session_id))
    if write.caller_rate is not None:
        names.append(write.caller_rate[0])
    check = write.check
    stored = b""
    if write.after is not None:
        stored = write.stored or stored_state.encode_state(write.after)
    args: list[Any] = [
        b"" if write.before is None else stored_state.header(write.before.epoch, write.before.version),
        stored,
        write.forget_at_ms,
        "" if write.deadline_ms is None else write.deadline_ms,
        places.text,
        codec.encode_commit(write.command_id, write.commit),
        COMMAND_ID_BYTES,
        conf().recent_transitions,
        write.outbox_entry,
        places.channel,
        write.message,
        b"" if write.record is None else _encoded(write.record, stored),
        "" if write.record is None else write.record.kept_ms,
        places.wake_channel,
        *_interval_and_burst(write.switch_rate),
        *_interval_and_burst(None if write.caller_rate is None else write.caller_rate[1]),
        *(("", "", "") if check is None else (check.at_ms, FURTHEST_BACK_MS, check.last_command_id)),
        _idle_check(write),
        "1" if write.is_repeatable else "",
        *(("",) if owned is None else (owned.member, *owned.limits)),
    ]
    return Call(_SCRIPT, names, args, _parse, if_full=if_full)


def _encoded(record: Record, stored: bytes) -> bytes:
    encoded = codec.encode_answer(record.answer, stored)
    record.size = len(encoded)
    return encoded


def _idle_check(write: CommitRequest) -> Instant | str:
    if write.idle_check_ms is not None:
        return write.idle_check_ms if write.is_sign_of_life else f"+{write.idle_check_ms}"
    return "-" if write.was_idle else ""


def _interval_and_burst(rate: Rate | None) -> tuple[int | str, int | str]:
    return ("", "") if rate is None else (rate.interval_us, rate.limit)


_PLAIN: dict[bytes, type[RateLimited | HasListeners | SessionMissing]] = {
    b"limited": RateLimited,
    b"heard": HasListeners,
    b"gone": SessionMissing,
}


def _parse(reply: list[Any]) -> CommitReply:
    kind, limits, _, _, *more = reply
    match kind:
        case b"done":
            return Committed(limits=limits, had_listeners=more != [0] and bool(more))
        case b"answered":
            return AlreadyAnswered(codec.decode_answer(more[0]), limits=limits)
        case b"race":
            return LostRace(store.Snapshot(store.parse_instant(reply[2:]), store.parse_state(more[0])), limits=limits)
        case b"full":
            return QuotaFull(int(more[0]), limits=limits)
        case _:
            return _PLAIN[kind](limits=limits)
