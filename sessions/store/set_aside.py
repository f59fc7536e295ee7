"""Sessions whose deadlines were set aside, each with its deadline and the reason. No I/O happens here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from sessions.store.lua import FOLDER
from synckairos.engine.units import Instant
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_LIST = Script(FOLDER / "list_set_aside.lua")
_RESTORE = Script(FOLDER / "restore_deadline.lua", allow_oom=True)


class SetAside(Struct, frozen=True):
    """A session that is set aside."""

    shard: int
    member: str
    """The session's id, as the set of deadlines has it."""
    deadline_ms: Instant
    reason: str


def read_range(shard: int, start: int, number: int) -> Call[list[SetAside]]:
    """Read a number of a shard's sessions that are set aside, by deadline, from a rank on."""

    def parse(reply: list[list[Any]]) -> list[SetAside]:
        return [
            SetAside(shard, member.decode(), int(float(at_ms)), (reason or b"").decode(errors="replace"))
            for member, at_ms, reason in reply
        ]

    return Call(_LIST, [keys.set_aside(shard), keys.set_aside_reasons(shard)], [start, start + number - 1], parse)


def restore(shard: int, member: str, session_id: UUID | None, *, only_forget: bool = False) -> Call[bool]:
    """Restore the deadline of a session, if it still exists; with `only_forget` only remove it from the set.

    The result is False when it was not set aside.
    """
    state = keys.deadlines(shard) + ":none" if session_id is None else keys.state(session_id)
    names = [state, keys.deadlines(shard), keys.set_aside(shard), keys.set_aside_reasons(shard)]
    return Call(_RESTORE, names, [member, "1" if only_forget else "0", keys.wake_channel(shard)], bool)
