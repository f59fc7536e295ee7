"""A store without room: commands are told so, reads and limits go on, and all works again once there is some."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
from redis.exceptions import OutOfMemoryError

from sessions.services import sessions
from sessions.services.recovery import recover
from sessions.store import ticket_records
from sessions.store.ticket_records import TicketRecord
from sessions.timekeeping.keeper import Timekeeper
from synckairos.auth.principal import SYSTEM
from synckairos.conf import Rate
from synckairos.engine.commands import Pause, Switch
from synckairos.engine.units import SyncMode
from synckairos.errors import RateLimitExceeded, ServiceUnavailable, StoreFull
from synckairos.ops import alive_processes, timekeepers
from synckairos.ratelimit import limits
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_async, run_blocking
from synckairos.redis.scripts import send_blocking
from tests.clocked import ALICE, Clock
from tests.filling import full
from tests.sockets import screen
from tests.talk import at, created, done, game, refused, seat

IF_MATCH = {"If-Match": "*"}
"""Sends a command to the view instead of the hot door."""


def told_that_it_is_full(answer):
    error = refused(answer, 503, "SERVICE_UNAVAILABLE")
    assert error["details"] == {"reason": "store_full"}
    assert "full" in error["message"]
    assert answer.headers["retry-after"] == str(error["retry_after_seconds"]) == "5"


@pytest.mark.parametrize("headers", [{}, IF_MATCH, {"Idempotency-Key": "k"}])
def test_commands_are_told_that_the_store_is_full_and_nothing_of_them_is_in(api, headers):
    state = done(api.post(at(created(api), "start")))
    state = done(api.post(at(state, "switch")))  # from here on, the process remembers it
    with full():
        for command in ("switch", "pause", "complete"):
            told_that_it_is_full(api.post(at(state, command), headers=headers))
        told_that_it_is_full(api.post(at(state, "participants"), json=seat(), headers=headers))
        told_that_it_is_full(api.post("/v1/sessions", json=game()))
        assert done(api.get(at(state)))["version"] == state["version"]
    assert done(api.post(at(state, "switch"), headers=headers))["version"] == state["version"] + 1


def test_every_read_goes_on_and_so_does_deleting_which_makes_room(api):
    state = done(api.post(at(created(api), "start")))
    with full():
        assert done(api.get(at(state)))["version"] == 2
        assert done(api.get(at(state, "summary")))["version"] == 2
        found = done(api.post("/v1/sessions/batch", json={"session_ids": [state["session_id"]]}))
        assert [one["version"] for one in found["sessions"]] == [2]
        tag = api.get(at(state)).headers["etag"]
        assert api.get(at(state), headers={"If-None-Match": tag}).status_code == 304
        assert api.delete(at(state)).status_code == 204
        refused(api.get(at(state)), 404, "SESSION_NOT_FOUND")


async def test_sockets_join_and_stay_and_their_commands_are_told(webs, api, token):
    state = done(api.post(at(created(api), "start")))
    async with screen(webs[0], state["session_id"], token) as early:
        await early.until_version(2)
        with full():
            async with screen(webs[1], state["session_id"], token) as late:
                assert (await late.until_version(2))["version"] == 2
            await early.send(type="SWITCH", id="one")
            error = await early.until("ERROR", id="one")
            assert (error["code"], error["details"]) == ("SERVICE_UNAVAILABLE", {"reason": "store_full"})
            assert error["retry_after_seconds"] == 5
        await early.send(type="SWITCH", id="one")
        assert (await early.until_version(3))["version"] == 3


def test_a_deadline_that_passes_is_applied_at_its_own_instant_when_there_is_room():
    past = Clock(int(time.time() * 1000) - 60_000)
    session_id = past.start(bank_ms=20_000, action_on_timeout={"type": "end_session"})
    with full():
        shown = run_blocking(sessions.get(session_id, SYSTEM))
        assert (shown.state.version, shown.state.status) == (2, "running")
        [again], _ = run_blocking(sessions.get_many([session_id], SYSTEM))
        assert again.state == run_blocking(recover(session_id, SYSTEM, 2, shown.state.epoch)).state == shown.state
        for command in (Switch(), Pause()):
            with pytest.raises(StoreFull):
                run_blocking(sessions.execute(session_id, command, ALICE))
    after = run_blocking(sessions.get(session_id, SYSTEM)).state
    assert after.completed_ms == past.now_ms + 20_000


@pytest.mark.parametrize("days", [0, 2])
def test_reads_go_on_while_the_store_takes_no_writes_for_another_reason(days):
    """It has no disk, or too few replicas; of a session that nobody looked at for a day a read would take note."""
    past = Clock(int(time.time() * 1000) - days * 86_400_000 - 60_000)
    counting, running = past.start(sync_mode=SyncMode.COUNT_UP), past.start(bank_ms=20_000)
    client = redis_client.blocking_client()
    client.config_set("min-replicas-to-write", 1)
    try:
        for session_id in (counting, running):
            assert run_blocking(sessions.get(session_id, SYSTEM)).state.version == 2
            assert asyncio.run(_aread(session_id)).state.version == 2
            assert run_blocking(recover(session_id, SYSTEM, 2, None)).state.version == 2
        found, _ = run_blocking(sessions.get_many([counting, running], SYSTEM))
        assert [one.state.version for one in found] == [2, 2]
        with pytest.raises(ServiceUnavailable):
            run_blocking(sessions.execute(counting, Switch(), ALICE))
    finally:
        client.config_set("min-replicas-to-write", 0)


async def _aread(session_id):
    try:
        (outcome,), _ = await run_async(sessions.get_many([session_id], SYSTEM))
        return outcome
    finally:
        await redis_client.close_async_client()


def test_the_timekeeper_keeps_its_shards_and_applies_what_is_due_once_there_is_room(caplog):
    session_id = Clock(int(time.time() * 1000) - 60_000).start(
        bank_ms=20_000, action_on_timeout={"type": "end_session"}
    )

    async def main():
        keeper = Timekeeper()
        try:
            with full():
                for _ in range(3):
                    await keeper._serve_shards()
                    await keeper.leases.renew()
                    assert keeper.leases.held == {0}
                assert send_blocking(timekeepers.shard_status(0)).holder == keeper.leases.keeper
                assert send_blocking(alive_processes.list_alive(keys.timekeepers(), 5_000)).keys() == {
                    keeper.leases.keeper
                }
            await keeper._serve_shards()
        finally:
            await keeper.leases.close()
            await redis_client.close_async_client()

    asyncio.run(main())
    assert caplog.text.count("The state store is full") == 1
    assert run_blocking(sessions.get(session_id, SYSTEM)).state.status == "expired"


def test_limits_are_counted_and_tickets_are_good_without_room(configure):
    configure(rate_general=Rate(2, 60_000))
    with full():
        limiters = [RateLimiter(), RateLimiter()]
        for limiter in limiters:
            limiter.consume(limits.general(ALICE.principal))
        assert [limiter.statuses["general"].remaining for limiter in limiters] == [1, 0]
        with pytest.raises(RateLimitExceeded):
            RateLimiter().consume(limits.general(ALICE.principal))
        grant = TicketRecord(uuid4(), ALICE.principal)
        send_blocking(ticket_records.save("a ticket", grant, 30_000))
        assert send_blocking(ticket_records.redeem("a ticket")) == grant


def test_what_a_full_store_refuses_is_no_outage_of_the_store():
    assert redis_client.is_full(OutOfMemoryError("command not allowed when used memory > 'maxmemory'."))
    assert isinstance(redis_client.as_service_unavailable(OutOfMemoryError("OOM")), StoreFull)
