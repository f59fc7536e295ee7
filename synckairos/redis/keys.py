"""Catalogue of all Redis keys and channels.

A session's keys carry the hash tag of its shard, `sk:{7}:…`, so that they live in one slot and a script may touch them
together. See docs/consistency.md.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from uuid import UUID
from zlib import crc32

from msgspec import Struct

from synckairos.conf import conf

PREFIX = "sk"
_MAX_CACHED_CHARS = 256
"""Names up to this length have their rate-limit keys cached; longer ones are rare."""
CHANNEL_LAYER_PREFIX = "sk"
"""Prefix of the channel names of the group layer."""


def shard_of(session_id: UUID) -> int:
    """Return the shard of a session."""
    return crc32(session_id.bytes) % conf().shards


def all_shards() -> range:
    """Return the numbers of all shards."""
    return range(conf().shards)


def _shard_key(shard: int, name: str) -> str:
    return f"{PREFIX}:{{{shard}}}:{name}"


def _digest(text: str, size: int = 12) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


def id_text(session_id: UUID) -> str:
    """Return the id of a session as text, as keys and messages have it."""
    return _parts(session_id.int, conf().shards)[1]


@lru_cache(maxsize=4096)
def _parts(number: int, shards: int) -> tuple[str, str]:
    """Return the common prefix of a session's keys and its id as text, which a command needs a dozen times.

    The argument is the number of the id, since the hash of a UUID runs Python code.
    """
    session_id = UUID(int=number)
    return _shard_key(crc32(session_id.bytes) % shards, ""), str(session_id)


def _session_key(session_id: UUID, kind: str) -> str:
    stem, text = _parts(session_id.int, conf().shards)
    return f"{stem}{kind}:{text}"


class CommitKeys(Struct, frozen=True):
    """Keys and channels that a commit of one session uses."""

    keys: tuple[str, str, str, str, str]
    """Keys of state, recent commits, deadlines, outbox and idle sessions."""
    text: str
    """Session id as in the keys."""
    channel: str
    wake_channel: str


def commit_keys(session_id: UUID) -> CommitKeys:
    """Return the keys and channels of a session's commits, cached."""
    return _commit_keys(session_id.int, conf().shards)


@lru_cache(maxsize=4096)
def _commit_keys(number: int, shards: int) -> CommitKeys:
    session_id = UUID(int=number)
    shard = crc32(session_id.bytes) % shards
    touched = (state(session_id), recent(session_id), deadlines(shard), outbox(shard), idle(shard))
    return CommitKeys(touched, id_text(session_id), group_channel(session_id), wake_channel(shard))


def state(session_id: UUID) -> str:
    """String: header and encoded state."""
    return _session_key(session_id, "s")


def recent(session_id: UUID) -> str:
    """List: the latest commits, newest first."""
    return _session_key(session_id, "r")


def idempotency(session_id: UUID, principal: str, route: str, key: str) -> str:
    """String: the first answer to a command with an Idempotency-Key."""
    digest = _digest(f"{principal}\0{route}\0{key}", 16)
    return f"{_session_key(session_id, 'i')}:{digest}"


def all_states() -> str:
    """Return the pattern of the keys of all states, for SCAN."""
    return f"{PREFIX}:{{*}}:s:*"


def all_recent() -> str:
    """Return the pattern of the keys of all recent commits."""
    return f"{PREFIX}:{{*}}:r:*"


def all_answers() -> str:
    """Return the pattern of the keys of all idempotency records."""
    return f"{PREFIX}:{{*}}:i:*"


def deadlines(shard: int) -> str:
    """Sorted set: session ids by the instant of their next deadline."""
    return _shard_key(shard, "deadlines")


def idle(shard: int) -> str:
    """Sorted set: sessions without a deadline, by the instant of their next idle review."""
    return _shard_key(shard, "idle")


def set_aside(shard: int) -> str:
    """Sorted set: sessions that the timekeeper could not handle."""
    return _shard_key(shard, "deadlines:aside")


def set_aside_reasons(shard: int) -> str:
    """Hash: reason for which each session was set aside."""
    return _shard_key(shard, "deadlines:aside:why")


def lease(shard: int) -> str:
    """String: name of the timekeeper that has the lease of this shard."""
    return _shard_key(shard, "keeper")


def timekeepers() -> str:
    """Sorted set: timekeepers by when they were last seen, on the store's clock."""
    return _shard_key(0, "keepers")


def web_processes() -> str:
    """Sorted set: web processes by when they were last seen, on the store's clock."""
    return _shard_key(0, "webs")


def presence(session_id: UUID) -> str:
    """Hash: clients of this session that each web process has reported."""
    return _session_key(session_id, "p")


def wake_channel(shard: int) -> str:
    """Channel on which commits announce a new earliest deadline to the timekeeper."""
    return _shard_key(shard, "wake")


def outbox(shard: int) -> str:
    """Stream: commits on their way to the audit."""
    return _shard_key(shard, "outbox")


def outbox_dead(shard: int) -> str:
    """Stream: outbox entries that the audit could not store."""
    return _shard_key(shard, "outbox:dead")


MAX_DATABASE_REFUSALS = 5
"""Number of retries of an entry that the database refuses while it accepts others."""


def outbox_refused(shard: int, times: int) -> str:
    """Stream: outbox entries that the database refused so many times (1 to MAX_DATABASE_REFUSALS)."""
    return _shard_key(shard, f"outbox:refused:{times}")


def outbox_newer(shard: int) -> str:
    """Stream: outbox entries of a newer release, which wait for a worker of that release."""
    return _shard_key(shard, "outbox:newer")


def undrained_outboxes(shard: int) -> list[str]:
    """Return all streams with entries that the audit still has to store."""
    refused = [outbox_refused(shard, times) for times in range(1, MAX_DATABASE_REFUSALS + 1)]
    return [outbox(shard), outbox_newer(shard), *refused]


def drain_lease(shard: int) -> str:
    """String: name of the drain that has the lease of this shard."""
    return _shard_key(shard, "drain")


def drains() -> str:
    """Sorted set: drains by when they were last seen, on the store's clock."""
    return _shard_key(0, "drains")


def switch_rate(session_id: UUID) -> str:
    """String: theoretical arrival time of a session's limit of switches, which the commit script keeps."""
    return _session_key(session_id, "l")


def id_secret() -> str:
    """String: secret from which ids of sessions created with an Idempotency-Key are derived."""
    return f"{PREFIX}:id-secret"


def rate(scope: str, who: str) -> str:
    """String: theoretical arrival time of a rate limit."""
    return (_cached_rate_key if len(who) <= _MAX_CACHED_CHARS else _rate_key)(scope, who)


def _rate_key(scope: str, who: str) -> str:
    return f"{PREFIX}:rate:{scope}:{_digest(who)}"


_cached_rate_key = lru_cache(maxsize=8192)(_rate_key)


def live_sessions(owner: str) -> str:
    """Sorted set: an owner's live sessions with their epochs, by the instant of creation or of the last sighting."""
    return _owner_key(owner, "live")


def self_running_sessions(owner: str) -> str:
    """Sorted set: an owner's live sessions that switch by themselves, as in `live_sessions`."""
    return _owner_key(owner, "self_running")


def _owner_key(owner: str, name: str) -> str:
    return f"{PREFIX}:{{owner:{_digest(owner)}}}:{name}"


def record_bytes(who: str) -> str:
    """Hash: hour → bytes of the idempotency records that were stored for a principal in it."""
    return f"{PREFIX}:records:{_digest(who)}"


def ticket(value: str) -> str:
    """String: grant of a one-time ticket. The key has a digest, so that a reader of the store cannot use the ticket."""
    return f"{PREFIX}:ticket:{_digest(value, 32)}"


def all_tickets() -> str:
    """Return the pattern of the keys of all tickets."""
    return f"{PREFIX}:ticket:*"


def group(session_id: UUID) -> str:
    """Return the name of the Channels group of a session."""
    return f"session.{id_text(session_id)}"


def group_channel(session_id: UUID) -> str:
    """Return the Redis channel of that group (a private format of channels_redis)."""
    return f"{CHANNEL_LAYER_PREFIX}__group__{group(session_id)}"
