"""What an owner has: the sessions that count for the owner's bounds. No I/O happens here.

Where a script may touch all keys, the commit of a creation takes a place and that of an end gives it back. On a Cluster
an owner's keys live in another slot than the session's: there a place is taken before the commit, and given back after
it. What is left there of a session that has ended (its process died in between, the store forgot it) is found by
whoever needs a place: docs/consistency.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from sessions.store.lua import FOLDER
from synckairos.engine.units import Duration
from synckairos.ids import EPOCH_CHARS
from synckairos.redis import keys
from synckairos.redis.scripts import Call, Script

_CLAIM = Script(FOLDER / "claim.lua", FOLDER / "claim_rule.lua", allow_oom=True)
_LONGEST_HAD = Script(FOLDER / "oldest_members.lua")
_LIVES = Script(FOLDER / "check_live.lua")
_LOOKED_AT = Script(FOLDER / "update_members.lua", allow_oom=True)


class Places(Struct, frozen=True):
    """What one commit changes in what an owner has."""

    member: str
    sets: tuple[str, ...]
    mosts: tuple[int, ...] = ()
    """How many each set may hold, for a session that takes a place; empty for one that gives back its own."""


def member_of(session_id: UUID, epoch: str) -> str:
    """One life of a session, as it stands among what its owner has."""
    return f"{session_id}{epoch}"


def claim(places: Places) -> Call[int]:
    """Take a place in each set; 0, or the number of the first one that is full."""
    return Call(_CLAIM, [*places.sets], [places.member, *places.mosts], int)


def longest_had(name: str, for_ms: Duration, limit: int) -> Call[list[str]]:
    """Members of a set that were claimed, and looked at, so long ago at least; the oldest first."""
    return Call(_LONGEST_HAD, [name], [for_ms, limit], _parse_members)


def lives(members: Sequence[str], ended_kept_ms: Duration) -> Call[list[bool]]:
    """Whether each session lives; all of one shard. One that has ended is kept for so long at most."""
    session_ids = [session_of(member) for member in members]
    epochs = [member[-EPOCH_CHARS:] for member in members]
    return Call(_LIVES, [keys.state(i) for i in session_ids], [ended_kept_ms, *epochs], _parse_lives)


def looked_at(sets: Sequence[str], seen: Mapping[str, bool]) -> Call[int]:
    """Take away what has ended, and note of the rest that it lives; gives how many places the first set has again."""
    args = [text for member, is_alive in seen.items() for text in (member, "1" if is_alive else "0")]
    return Call(_LOOKED_AT, [*sets], args, int)


def session_of(member: str) -> UUID:
    """The session of a member."""
    return UUID(member[:-EPOCH_CHARS])


def _parse_members(reply: list[bytes]) -> list[str]:
    return [member.decode() for member in reply]


def _parse_lives(reply: list[int]) -> list[bool]:
    return [bool(one) for one in reply]
