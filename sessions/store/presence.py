"""Who is connected, as the store knows it: what each web process has told of its clients. No I/O happens here.

Hints for people, not truth about a clock: an announcement may be lost, and is repeated.
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

_ANNOUNCE = Script(FOLDER / "announce.lua")
_ROLL = Script(FOLDER / "roll.lua")

KEPT_MS = 3_600_000
"""How long announcements outlive the last one; each is repeated well before."""


class Attendance(Struct, frozen=True, array_like=True):
    """The clients of one session that one process has."""

    viewers: int = 0
    """Those that are no participant."""
    participants: Mapping[str, int] = {}
    """Clients of each participant that has any, by its id."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody is there."""
        return not self.viewers and not self.participants


NOBODY = Attendance()
Roll = dict[str, Attendance]
"""Attendances by process, the living and the dead."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Attendance)


def announce(session_id: UUID, process: str, attendance: Attendance, *, is_news: bool) -> Call[bool]:
    """Replace what this process has told; with `is_news` every process that shows the session hears of it."""
    args: list[Any] = [
        process,
        b"" if attendance.is_empty else _encoder.encode(attendance),
        KEPT_MS,
        keys.group_channel(session_id),
        announcements.pack_hint(session_id) if is_news else b"",
    ]
    return Call(_ANNOUNCE, [keys.presence(session_id)], args, bool)


def rolls(session_ids: Sequence[UUID]) -> Call[list[Roll]]:
    """What has been told of sessions that all live in one shard."""
    return Call(_ROLL, [keys.presence(session_id) for session_id in session_ids], [], _parse_rolls)


def _parse_rolls(reply: list[list[bytes]]) -> list[Roll]:
    return [
        {process.decode(): _decoder.decode(told) for process, told in zip(roll[::2], roll[1::2], strict=True)}
        for roll in reply
    ]
