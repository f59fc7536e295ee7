"""Presence records in the store: the numbers of each web process's clients. No I/O happens here.

They are hints for people and decide nothing about a clock: a record may be lost, and is written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from sessions import announcements
from sessions.store.lua import FOLDER
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_WRITE = Script(FOLDER / "write_presence.lua")
_READ = Script(FOLDER / "read_presence.lua")

KEPT_MS = 3_600_000
"""Time for which a session's records are kept after the last write; each is written again well before."""


class ClientCounts(Struct, frozen=True, array_like=True):
    """The numbers of clients of one session, at one process or at all."""

    viewers: int = 0
    """Number of clients that are no participant."""
    participants: Mapping[str, int] = {}
    """Number of clients of each participant that has any, by its id."""

    @property
    def is_empty(self) -> bool:
        """Return true without any client."""
        return not self.viewers and not self.participants


NO_CLIENTS = ClientCounts()
CountsByProcess = dict[str, ClientCounts]
"""Client counts by process, dead ones included."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ClientCounts)


def write_client_counts(session_id: UUID, process: str, client_counts: ClientCounts, *, is_news: bool) -> Call[bool]:
    """Replace the record of a process; with `is_news` a hint is sent to all processes with clients of the session."""
    args: list[Any] = [
        process,
        b"" if client_counts.is_empty else _encoder.encode(client_counts),
        KEPT_MS,
        keys.group_channel(session_id),
        announcements.pack_hint(session_id) if is_news else b"",
    ]
    return Call(_WRITE, [keys.presence(session_id)], args, bool)


def load_client_counts(session_ids: Sequence[UUID]) -> Call[list[CountsByProcess]]:
    """Read the records of sessions of one shard."""
    return Call(_READ, [keys.presence(session_id) for session_id in session_ids], [], _parse_rolls)


def _parse_rolls(reply: list[list[bytes]]) -> list[CountsByProcess]:
    return [
        {process.decode(): _decoder.decode(told) for process, told in zip(counts[::2], counts[1::2], strict=True)}
        for counts in reply
    ]
