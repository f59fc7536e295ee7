"""`manage.py sessions_set_aside`: sessions that the timekeeper could not handle, each with the reason.

Lists them; `--send-again` gives them their deadline back, `--delete` forgets that they were set aside. See
docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sessions.store import set_aside
from sessions.store.set_aside import SetAside
from synckairos.dead_letter_command import DeadLetter, DeadLetterCommand, Selection
from synckairos.ids import parse_uuid
from synckairos.instants import as_datetime
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking

_PORTION = 500


class Command(DeadLetterCommand):
    help = "List sessions that the timekeeper could not handle, give them their deadline back, or forget them."
    noun = "sessions"

    def find(self, selection: Selection) -> Iterator[DeadLetter]:
        # All are read before any is taken away: places are ranks.
        everything = [one for shard in keys.all_shards() for one in _all_of(shard)]
        return filter(selection.matches, map(_aside, everything))

    def send_again(self, some: Sequence[DeadLetter]) -> int:
        return sum(_put_back(one, only_forget=False) for one in some)

    def delete(self, some: Sequence[DeadLetter]) -> int:
        return sum(_put_back(one, only_forget=True) for one in some)


def _all_of(shard: int) -> Iterator[SetAside]:
    start = 0
    while some := send_blocking(set_aside.read_range(shard, start, _PORTION)):
        yield from some
        start += len(some)


def _aside(one: SetAside) -> DeadLetter:
    return DeadLetter(
        name=one.member,
        state="aside",
        session_id=one.member,
        since=as_datetime(one.deadline_ms) if one.deadline_ms else None,
        reason=one.reason or "unknown",
        location=one.shard,
    )


def _put_back(one: DeadLetter, *, only_forget: bool) -> bool:
    return send_blocking(set_aside.restore(one.location, one.name, parse_uuid(one.name), only_forget=only_forget))
