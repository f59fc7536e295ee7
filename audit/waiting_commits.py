"""The commits of some sessions that are not written yet: their entries wait in the outbox, or were set aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from uuid import UUID

import msgspec

from audit import outbox_reader
from audit.outbox_reader import BEFORE_ALL, COMMAND_SIZE, StreamEntry
from audit.row_mapping import SessionKey
from audit.verification import Waiting
from synckairos import outbox
from synckairos.redis import keys


def waiting_commits(sessions: Collection[SessionKey]) -> dict[SessionKey, dict[int, Waiting]]:
    """Return the commits of these sessions that wait, by the version that each follows. Raises redis.RedisError."""
    ids = {session_id for session_id, _ in sessions}
    found: defaultdict[SessionKey, dict[int, Waiting]] = defaultdict(dict)
    for shard in sorted(map(keys.shard_of, ids)):
        for stream in (*keys.undrained_outboxes(shard), keys.outbox_dead(shard)):
            for entry in _entries(stream, ids):
                key = entry.session_id, entry.epoch
                if key in sessions:
                    found[key][entry.since_version] = Waiting(entry.version, entry.previous, entry.digest)
    return found


def _entries(stream: str, ids: Collection[UUID]) -> Iterator[outbox.Entry]:
    for entry in _all_of(stream):
        if entry.session_id in ids:
            with suppress(outbox.Newer, msgspec.DecodeError):
                yield outbox.decode(entry.data)


def _all_of(stream: str) -> Iterator[StreamEntry]:
    position = BEFORE_ALL
    while some := outbox_reader.read_range(stream, position, COMMAND_SIZE):
        yield from some
        position = some[-1].entry_id
