"""`manage.py sessions_set_aside`: staff see which sessions no timekeeper could handle, and give them back to it."""

from __future__ import annotations

import asyncio
import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from sessions.timekeeping.keeper import Timekeeper
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.clocked import Clock
from tests.servers import free_port


def tick():
    async def main():
        try:
            await Timekeeper().apply_shard(0)
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())


def command(*arguments):
    out = StringIO()
    call_command("sessions_set_aside", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def aside():
    """Sessions that were set aside because their state could not be read, with that state."""
    past = Clock(int(time.time() * 1000) - 60_000)
    ids = [past.start(bank_ms=20_000, action_on_timeout={"type": "end_session"}) for _ in range(3)]
    states = {session_id: redis_client.blocking_client().get(keys.state(session_id)) for session_id in ids}
    for session_id in ids:
        redis_client.blocking_client().set(keys.state(session_id), b"0123abcd" + b"\0" * 8 + b"nonsense")
    tick()
    assert redis_client.blocking_client().zcard(keys.set_aside(0)) == 3
    return states


def mend(aside):
    for session_id, state in aside.items():
        redis_client.blocking_client().set(keys.state(session_id), state)


def test_they_are_listed_with_the_reason_and_without_what_they_hold(aside):
    found = [json.loads(line) for line in command("--json").splitlines()]
    assert {one["session_id"] for one in found} == set(map(str, aside))
    assert {one["reason"].partition(" ")[0] for one in found} == {"Unreadable:"}
    text = command()
    assert "Unreadable" in text
    assert "nonsense" not in text


def test_one_and_all_get_their_deadline_back_and_the_timekeeper_applies_it(aside):
    mend(aside)
    first, *rest = aside
    assert command("--send-again", str(first)) == "sent again: 1\n"
    assert redis_client.blocking_client().zrange(keys.deadlines(0), 0, -1) == [str(first).encode()]
    assert command("--send-again", "--all") == f"sent again: {len(rest)}\n"
    assert redis_client.blocking_client().hlen(keys.set_aside_reasons(0)) == 0
    tick()
    assert (
        redis_client.blocking_client().zcard(keys.deadlines(0))
        == redis_client.blocking_client().zcard(keys.set_aside(0))
        == 0
    )


def test_what_is_broken_still_is_set_aside_again(aside):
    command("--send-again", "--all")
    tick()
    assert redis_client.blocking_client().zcard(keys.set_aside(0)) == 3


def rounds(number):
    """What a timekeeper does that has just started, looking at those set aside in every round."""

    async def main():
        keeper = Timekeeper()
        try:
            for _ in range(number):
                keeper._set_aside_retry._next_s.clear()
                await keeper._serve_shards()
        finally:
            await keeper.leases.close()
            await redis_client.close_async_client()

    asyncio.run(main())


def test_an_upgraded_timekeeper_takes_by_itself_what_the_former_could_not_read(aside):
    mend(aside)
    rounds(2)
    assert (
        redis_client.blocking_client().zcard(keys.deadlines(0))
        == redis_client.blocking_client().zcard(keys.set_aside(0))
        == 0
    )


def test_one_that_cannot_read_them_either_tries_each_once(aside, caplog):
    caplog.clear()
    rounds(5)
    assert caplog.text.count("deadline set aside") == 3
    assert redis_client.blocking_client().zcard(keys.set_aside(0)) == 3


def test_a_session_that_is_gone_gets_nothing_back_and_one_that_has_a_newer_deadline_keeps_it(aside):
    gone, moved, _ = aside
    redis_client.blocking_client().delete(keys.state(gone))
    redis_client.blocking_client().zadd(keys.deadlines(0), {str(moved): 77})
    assert command("--send-again", str(gone), str(moved)) == "sent again: 2\n"
    assert redis_client.blocking_client().zrange(keys.deadlines(0), 0, -1, withscores=True) == [
        (str(moved).encode(), 77.0)
    ]


def test_they_are_forgotten_only_on_demand(aside):
    with pytest.raises(CommandError, match="Say which"):
        command("--delete")
    assert command("--delete", "--all") == "deleted: 3\n"
    assert (
        redis_client.blocking_client().zcard(keys.set_aside(0))
        == redis_client.blocking_client().zcard(keys.deadlines(0))
        == 0
    )
    with pytest.raises(CommandError, match="Not there"):
        command(str(next(iter(aside))))


def test_with_the_store_away_it_says_so(configure):
    configure(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(CommandError, match="state store cannot be reached"):
        command()
