"""Quotas of owners: sorted sets of the sessions that count for an owner's limits. No I/O happens here.

On a Cluster their keys are in another slot than the session's: see docs/consistency.md#places.
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
_OLDEST_MEMBERS = Script(FOLDER / "oldest_members.lua")
_CHECK_LIVE = Script(FOLDER / "check_live.lua")
_UPDATE_MEMBERS = Script(FOLDER / "update_members.lua", allow_oom=True)


class QuotaChange(Struct, frozen=True):
    """The change of an owner's sets by one commit."""

    member: str
    sets: tuple[str, ...]
    limits: tuple[int, ...] = ()
    """Largest size of each set, for a member to add; empty for a member to remove."""


def member_of(session_id: UUID, epoch: str) -> str:
    """Return the member of the sets for a session of this epoch."""
    return f"{session_id}{epoch}"


def claim(places: QuotaChange) -> Call[int]:
    """Add a member to each set; the result is 0, or the number of the first set that is full."""
    return Call(_CLAIM, [*places.sets], [places.member, *places.limits], int)


def oldest_members(name: str, for_ms: Duration, limit: int) -> Call[list[str]]:
    """Read members that were added, and checked, at least `for_ms` ago; the oldest first."""
    return Call(_OLDEST_MEMBERS, [name], [for_ms, limit], lambda reply: [member.decode() for member in reply])


def check_live(members: Sequence[str], ended_kept_ms: Duration) -> Call[list[bool]]:
    """Read which sessions of a shard have not ended; ended ones are stored for at most `ended_kept_ms`."""
    session_ids = [session_of(member) for member in members]
    epochs = [member[-EPOCH_CHARS:] for member in members]
    return Call(
        _CHECK_LIVE,
        [keys.state(i) for i in session_ids],
        [ended_kept_ms, *epochs],
        lambda reply: list(map(bool, reply)),
    )


def update_members(sets: Sequence[str], seen: Mapping[str, bool]) -> Call[int]:
    """Remove ended members and date the others anew; the result is the number removed from the first set."""
    args = [text for member, is_alive in seen.items() for text in (member, "1" if is_alive else "0")]
    return Call(_UPDATE_MEMBERS, [*sets], args, int)


def session_of(member: str) -> UUID:
    """Return the session id of a member."""
    return UUID(member[:-EPOCH_CHARS])
