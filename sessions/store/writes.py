"""One transition on its way into the store: all that it writes, the call, and what may become of it. No I/O happens.

See docs/consistency.md for what is atomic.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.store import codec, store
from sessions.store.codec import Answer, StoredCommit
from sessions.store.lua import FOLDER
from sessions.store.owner_quotas import Places
from sessions.store.store import SnapshotCheck
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
"""How old the instant of an unproved snapshot may be when the script checks it."""


class Record(Struct):
    """The answer to keep under an idempotency key of `keys.idempotency`, and for how long."""

    key: str
    answer: Answer
    kept_ms: Duration
    size: int = 0
    """Bytes, known once the commit is made up."""


class Write(Struct, frozen=True):
    """Everything that one commit writes."""

    before: State | None
    """The state it was decided on; None for a creation."""
    after: State | None
    """The new state; None to delete."""
    session_id: UUID
    forget_at_ms: Instant
    deadline_ms: Instant | None
    idle_check_ms: Instant | None
    """When it is time to see whether to let the session go; None when it has ended, or has a deadline and does not go
    on by itself."""
    is_sign_of_life: bool
    """Whether that counts from this commit, or from one before, if such an instant has been noted: this one has only
    applied deadlines of a session that goes on by itself."""
    was_idle: bool
    """Whether such an instant may have been noted before: to ask the store of every switch would cost something."""
    command_id: bytes
    commit: StoredCommit
    outbox_entry: bytes
    message: bytes
    """For the group layer, in its format; empty to write nothing unless nobody listens, which only a store in one place
    can know."""
    record: Record | None = None
    """Of the caller's Idempotency-Key."""
    rate: Rate | None = None
    """How often such a commit may happen to this session; None for as often as anybody likes."""
    caller_rate: tuple[str, Rate] | None = None
    """The caller's limit, by its key, when it is to be counted here: not on a Cluster, where it lives elsewhere."""
    check: SnapshotCheck | None = None
    places: Places | None = None
    """What changes in what the owner has."""


class CommitReply(Struct, frozen=True, kw_only=True):
    """What became of a write."""

    limits: list[int] = []
    """How every limit that was counted stands, three numbers of `gcra_rule.lua` each: the caller's, the session's."""


class Done(CommitReply, frozen=True):
    """The write is in, by this call or by an earlier one whose reply was lost."""


class Limited(CommitReply, frozen=True):
    """There were too many already: nothing was written."""


class Answered(CommitReply, frozen=True):
    """The Idempotency-Key has been used before: nothing was written."""

    answer: Answer


class LostRace(CommitReply, frozen=True):
    """The session has moved on: nothing was written, and this is how it stands."""

    snapshot: store.Snapshot


class Heard(CommitReply, frozen=True):
    """Somebody listens, and there was no message: nothing was written."""


class Gone(CommitReply, frozen=True):
    """The session does not exist (any more): nothing was written."""


class OwnerFull(CommitReply, frozen=True):
    """The owner may have no more of what the set of this number holds: nothing was written."""

    number: int


class NoRoom(CommitReply, frozen=True):
    """The store is full: nothing was written."""


def commit(write: Write, *, if_full: NoRoom | None = None) -> Call[CommitReply]:
    """Write one transition, all or nothing. A full store's refusal is StoreFull, or this reply."""
    places = keys.commit_keys(write.session_id)
    names = [*places.keys]
    owned = write.places if write.places is not None and not redis_client.is_cluster() else None
    if owned is not None:
        names += owned.sets
    if write.record is not None:
        names.append(write.record.key)
    if write.rate is not None:
        names.append(keys.switch_rate(write.session_id))
    if write.caller_rate is not None:
        names.append(write.caller_rate[0])
    check = write.check
    stored = b"" if write.after is None else codec.encode_state(write.after)
    args: list[Any] = [
        b"" if write.before is None else codec.header(write.before.epoch, write.before.version),
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
        *_interval_and_burst(write.rate),
        *_interval_and_burst(None if write.caller_rate is None else write.caller_rate[1]),
        *(("", "", "") if check is None else (check.at_ms, FURTHEST_BACK_MS, check.last_command_id)),
        _idle_check(write),
        *(("",) if owned is None else (owned.member, *owned.mosts)),
    ]
    return Call(_SCRIPT, names, args, _parse, if_full=if_full)


def _encoded(record: Record, stored: bytes) -> bytes:
    encoded = codec.encode_answer(record.answer, stored)
    record.size = len(encoded)
    return encoded


def _idle_check(write: Write) -> Instant | str:
    if write.idle_check_ms is not None:
        return write.idle_check_ms if write.is_sign_of_life else f"+{write.idle_check_ms}"
    return "-" if write.was_idle else ""


def _interval_and_burst(rate: Rate | None) -> tuple[int | str, int | str]:
    return ("", "") if rate is None else (rate.interval_us, rate.limit)


_PLAIN: dict[bytes, type[Done | Limited | Heard | Gone]] = {
    b"done": Done,
    b"limited": Limited,
    b"heard": Heard,
    b"gone": Gone,
}


def _parse(reply: list[Any]) -> CommitReply:
    kind, limits = reply[0], reply[1]
    match kind:
        case b"answered":
            return Answered(codec.decode_answer(reply[4]), limits=limits)
        case b"race":
            return LostRace(store.Snapshot(store.instant(reply[2:]), store.state_in(reply[4])), limits=limits)
        case b"full":
            return OwnerFull(int(reply[4]), limits=limits)
        case _:
            return _PLAIN[kind](limits=limits)
