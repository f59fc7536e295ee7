"""Several timekeepers: shards are shared out, a dead one's are taken over, nothing is applied twice."""

from __future__ import annotations

import asyncio
import io
import signal
import time
from uuid import UUID

import pytest
from django.core.management import call_command

from sessions.timekeeping.leases import LEASE_S, RENEW_EVERY_S, Leases
from synckairos import outbox, stored_state
from synckairos.engine.events import ParticipantExpired
from synckairos.ops import alive_processes, timekeepers
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking
from tests import servers
from tests.clocked import Clock


def on_loop(steps):
    async def main():
        try:
            return await steps
        finally:
            await redis_client.close_async_client()

    return asyncio.run(main())


def stored(session_id: UUID):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def expiries() -> dict[UUID, list[int]]:
    """How late each expiry in the outbox was committed, by session, in ms."""
    late: dict[UUID, list[int]] = {}
    for _, fields in redis_client.blocking_client().xrange(keys.outbox(0)):
        entry = outbox.decode(fields[outbox.FIELD])
        for event in entry.events:
            if isinstance(event, ParticipantExpired):
                late.setdefault(entry.session_id, []).append(entry.committed_ms - event.at_ms)
    return late


def test_shards_are_shared_out_evenly_and_given_back(configure):
    configure(shards=8)
    one, two = Leases(), Leases()

    async def play():
        await one.renew()
        assert one.held == set(range(8))
        for leases in (two, one, two):
            await leases.renew()
        assert (len(one.held), len(two.held)) == (4, 4)
        assert one.held.isdisjoint(two.held)
        await two.close()
        await one.renew()
        assert one.held == set(range(8))

    on_loop(play())


def test_a_suspended_holder_must_renew_before_it_goes_on(monkeypatch):
    leases = Leases()
    on_loop(leases.renew())
    assert leases.renewal_in_s > 0
    later = time.monotonic() + 10
    monkeypatch.setattr("sessions.timekeeping.leases.time.monotonic", lambda: later)
    assert leases.renewal_in_s == 0


@pytest.fixture
def two_keepers():
    keepers = {}
    for _ in range(2):
        known = set(send_blocking(alive_processes.list_alive(keys.timekeepers(), 5_000)))
        child = servers.managed("timekeeper")
        call = alive_processes.list_alive(keys.timekeepers(), 5_000)
        new = servers.wait_until(lambda known=known, call=call: set(send_blocking(call)) - known, 30, "it lives")
        keepers[new.pop()] = child
    yield keepers
    for child in keepers.values():
        if child.process is not None:
            child.process.send_signal(signal.SIGCONT)
        child.stop(signal.SIGKILL)


def test_a_lease_that_nobody_renews_is_taken_over_within_two_seconds():
    """At worst it has just been renewed, and a standby has just looked in vain."""
    assert RENEW_EVERY_S < LEASE_S
    assert LEASE_S + RENEW_EVERY_S < 2


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "suspended"])
def test_the_standby_takes_over_and_nothing_is_applied_twice(two_keepers, fate, capsys):
    clock = Clock(int(time.time() * 1000))
    ids = [clock.start(bank_ms=1_000 + 50 * number, action_on_timeout={"type": "end_session"}) for number in range(60)]
    servers.wait_until(lambda: len(expiries()) > 10, 30, "some are applied")
    holder = send_blocking(timekeepers.shard_status(0)).holder
    two_keepers[holder].process.send_signal(fate)
    servers.wait_until(lambda: len(expiries()) == len(ids), 30, "all are applied")
    assert send_blocking(timekeepers.shard_status(0)).holder != holder
    two_keepers[holder].process.send_signal(signal.SIGCONT)
    two_keepers[holder].stop(signal.SIGTERM if fate is signal.SIGSTOP else signal.SIGKILL)
    late = expiries()
    assert all(len(times) == 1 for times in late.values())
    states = [stored(session_id) for session_id in ids]
    assert {state.version for state in states} == {3}
    assert all(sum(seat.time_used_ms for seat in state.participants) == state.running_ms for state in states)
    worst = max(times[0] for times in late.values())
    with capsys.disabled():
        print(f"\ntakeover ({fate.name}): the latest of {len(ids)} deadlines was {worst} ms late")


def test_the_status_names_the_living_the_holder_and_what_is_overdue():
    clock = Clock(int(time.time() * 1000) - 60_000)
    clock.start(bank_ms=20_000)
    leases = Leases()
    on_loop(leases.renew())
    told = io.StringIO()
    call_command("timekeeper", "--status", stdout=told)
    assert "timekeepers alive: 1" in told.getvalue()
    assert f"shard 0: served by {leases.keeper}, 1 deadlines, 1 overdue (longest 4" in told.getvalue()


def test_readiness_says_when_no_timekeeper_lives_and_stays_ready(api):
    assert api.get("/ready").json()["timekeeper"] == "absent"
    on_loop(Leases().renew())
    answer = api.get("/ready")
    assert (answer.status_code, answer.json()["timekeeper"]) == (200, "ok")
