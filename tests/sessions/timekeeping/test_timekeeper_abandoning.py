"""Sessions in which nothing happens are let go, at their own instant, and only those: docs/clock.md."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from audit import selectors
from sessions.services import retention
from sessions.services import sessions as service
from sessions.store import codec, idle, presence_records, store
from sessions.store.presence_records import ClientCounts
from sessions.timekeeping.idle_reviews import BATCH, IdleReviews
from sessions.timekeeping.keeper import Timekeeper
from synckairos import stored_state
from synckairos.auth.principal import SYSTEM
from synckairos.conf import conf
from synckairos.engine.commands import AdjustTime, Cancel, Complete, Delete, Pause, Resume, Switch
from synckairos.engine.units import SyncMode
from synckairos.instants import as_datetime
from synckairos.ops import alive_processes
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import perform
from synckairos.redis.procedures import run_blocking as asked
from tests import servers
from tests.clocked import Clock
from tests.outboxes import drained
from tests.sockets import screen

DAY = 86_400_000
COUNTING = {"sync_mode": SyncMode.COUNT_UP, "players": 2}


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    """The store keeps what a test says was done long ago."""
    monkeypatch.setattr(retention, "GRACE_MS", 400 * DAY)


def ago(days):
    """A clock that many days ago."""
    return Clock(int(time.time() * 1000) - int(days * DAY))


def review(times=1):
    """Look through the idle sessions, as the timekeeper does."""

    async def main():
        try:
            for _ in range(times):
                await IdleReviews().review_if_due(0)
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())


def rounds(number):
    """So many rounds of a timekeeper; gives how long it wanted to pause after each, in seconds."""

    async def main():
        keeper = Timekeeper()
        try:
            return [await keeper._serve_shards() for _ in range(number)]
        finally:
            await keeper.leases.close()
            await redis_client.close_async_client()

    return asyncio.run(main())


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def check_at(session_id):
    """When it is time to see whether to let a session go."""
    return redis_client.blocking_client().zscore(keys.idle(0), str(session_id))


def due():
    return [text for text, _ in asked(perform(idle.due(0, 99))).overdue]


def watched_by(session_id, process, *, lives=True):
    """Some web process tells that it has one viewer of a session."""
    asked(perform(presence_records.write_client_counts(session_id, process, ClientCounts(viewers=1), is_news=False)))
    if lives:
        asked(perform(alive_processes.report_alive(keys.web_processes(), process)))


@pytest.mark.parametrize("kind", ["pending", "counting", "overdrawn"])
@pytest.mark.django_db
def test_a_session_without_a_sign_of_life_for_30_days_is_let_go_as_of_that_instant(kind):
    clock = ago(40)
    session_id = clock.create() if kind == "pending" else clock.start(**COUNTING if kind == "counting" else {})
    alive_ms = clock.now_ms
    if kind == "overdrawn":
        alive_ms += 60_000
        clock.now_ms = alive_ms
        clock.run(service.get(session_id, SYSTEM))
    assert check_at(session_id) == alive_ms + 30 * DAY
    review()
    state = stored(session_id)
    assert (state.status, state.completed_ms) == ("cancelled", alive_ms + 30 * DAY)
    assert check_at(session_id) is None
    left_ms = redis_client.blocking_client().pttl(keys.state(session_id))
    assert conf().finished_ttl_ms - 60_000 < left_ms <= conf().finished_ttl_ms
    drained()
    row = selectors.session_get(session_id)
    last = selectors.session_events(row).last()
    assert (row.status, row.completed_at) == ("cancelled", as_datetime(alive_ms + 30 * DAY))
    assert (last.type, last.principal) == ("session.abandoned", "timekeeper")
    assert (last.at, last.data) == (row.completed_at, {"idle_since_ms": alive_ms})
    assert selectors.replayed_state(row) == state


def test_a_paused_session_is_kept_for_60_days():
    clock = ago(50)
    session_id = clock.start()
    clock.do(session_id, Pause())
    later = ago(61)
    forgotten = later.start()
    later.do(forgotten, Pause())
    review()
    assert (stored(session_id).status, stored(forgotten).status) == ("paused", "cancelled")
    assert stored(forgotten).completed_ms == later.now_ms + 60 * DAY


@pytest.mark.parametrize("command", [Resume(), Switch(), Complete(), Delete()])
def test_whoever_commands_a_session_that_is_overdue_proves_that_it_is_alive(command):
    clock = ago(70)
    session_id = clock.start(**COUNTING)
    if isinstance(command, Resume):
        clock.do(session_id, Pause())
    ago(0).do(session_id, command)
    assert due() == []
    review()
    if isinstance(command, Complete | Delete):
        assert check_at(session_id) is None
    else:
        assert stored(session_id).status == "running"


@pytest.mark.parametrize("is_batch", [False, True])
def test_whoever_reads_a_session_keeps_it_and_lets_none_go(is_batch):
    session_id = ago(40).start(**COUNTING)
    assert due() == [str(session_id)]
    now = ago(0)
    for _ in range(2):
        if is_batch:
            (found,), _ = now.run(service.get_many([session_id], SYSTEM))
        else:
            found = now.run(service.get(session_id, SYSTEM))
        assert found.state.status == "running"
    assert check_at(session_id) >= now.now_ms + 30 * DAY
    assert (
        redis_client.blocking_client().pexpiretime(keys.state(session_id)) >= now.now_ms + 30 * DAY + retention.GRACE_MS
    )
    review()
    assert stored(session_id).status == "running"


def test_what_is_watched_is_kept_and_what_a_dead_process_has_told_counts_for_nothing():
    watched, left = (ago(40).start(**COUNTING) for _ in range(2))
    watched_by(watched, "here")
    watched_by(left, "dead", lives=False)
    review()
    assert (stored(watched).status, stored(left).status) == ("running", "cancelled")
    assert check_at(watched) >= ago(0).now_ms + 30 * DAY - 60_000
    redis_client.blocking_client().delete(keys.presence(watched))
    review()
    assert stored(watched).status == "running"


def test_a_session_that_was_watched_is_let_go_30_days_after_that():
    clock = ago(40)
    session_id = clock.start(**COUNTING)
    seen_ms = clock.now_ms + 5 * DAY
    asked(perform(idle.postpone(session_id, seen_ms + 30 * DAY)))
    review()
    assert stored(session_id).completed_ms == seen_ms + 30 * DAY


@pytest.mark.parametrize("days", [1, 400])
def test_a_session_with_a_deadline_is_kept_until_long_after_it(days):
    """Scheduled for some day: it was paused never, and it waits for that."""
    clock = ago(100)
    session_id = clock.create(start_at_ms=ago(0).now_ms + days * DAY)
    assert check_at(session_id) is None
    assert redis_client.blocking_client().pttl(keys.state(session_id)) > (days + 30) * DAY
    review()
    assert stored(session_id).status == "pending"


@pytest.mark.parametrize("command", [Resume(), Complete(), Cancel(), Delete()])
def test_what_is_idle_no_longer_is_noted_no_longer(command):
    clock = ago(1)
    session_id = clock.start()
    assert check_at(session_id) is None
    clock.do(session_id, Pause())
    assert check_at(session_id) == clock.now_ms + 60 * DAY
    clock.do(session_id, command)
    assert check_at(session_id) is None


def test_a_clock_that_was_given_time_again_is_looked_at_later():
    clock = ago(40)
    session_id = clock.start()
    clock.now_ms += 60_000
    overdrawn = clock.run(service.get(session_id, SYSTEM)).state
    ago(0).do(session_id, AdjustTime(overdrawn.active_participant.participant_id, adjust_ms=30_000))
    assert due() == [str(session_id)]
    review()
    assert (stored(session_id).status, due()) == ("running", [])
    assert check_at(session_id) > ago(0).now_ms + 29 * DAY


def test_a_command_that_comes_between_keeps_the_session(monkeypatch):
    """The end was decided on a state that is none any more."""
    session_id = ago(40).start(**COUNTING)
    commit = codec.encode_commit

    def slowly(*args):
        monkeypatch.undo()
        ago(0).do(session_id, Switch())
        return commit(*args)

    monkeypatch.setattr(codec, "encode_commit", slowly)
    review()
    assert (stored(session_id).status, stored(session_id).version) == ("running", 3)


def test_what_cannot_be_read_or_is_gone_holds_nobody_up():
    gone, broken, idle_one = (ago(40).start(**COUNTING) for _ in range(3))
    redis_client.blocking_client().delete(keys.state(gone))
    redis_client.blocking_client().set(keys.state(broken), b"nonsense")
    redis_client.blocking_client().zadd(keys.idle(0), {"junk": 1})
    review()
    assert stored(idle_one).status == "cancelled"
    assert check_at(gone) is None
    assert due() == []


def test_many_are_let_go_in_portions():
    sessions = [ago(40).create() for _ in range(BATCH + 2)]
    reviews = IdleReviews()

    async def main():
        try:
            for _ in range(2):
                await reviews.review_if_due(0)
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())
    assert {stored(session_id).status for session_id in sessions} == {"cancelled"}


def test_the_timekeeper_does_it_in_its_rounds_and_no_deadline_is_overdue_for_it():
    session_id = ago(40).start(**COUNTING)
    assert asked(perform(store.due(0, 9))).backlog == 0
    rounds(1)
    assert stored(session_id).status == "cancelled"


async def test_a_session_on_a_screen_is_kept_beyond_its_time_and_its_viewers_hear_of_its_end(
    webs, api, token, configure
):
    configure(idle_ttl_ms=1)
    session_id = api.post("/v1/sessions", json={"sync_mode": "count_up"}).json()["data"]["session_id"]
    address = f"/v1/sessions/{session_id}"
    api.post(f"{address}/start")
    client = redis_client.blocking_client()
    presences = keys.presence(UUID(session_id))
    async with screen(webs[0], session_id, token) as viewer:
        await viewer.until("CONNECTED")
        alive = lambda: {*client.zrange(keys.web_processes(), 0, -1)}  # noqa: E731
        seen = lambda: alive() & {*client.hkeys(presences)}  # noqa: E731
        await asyncio.to_thread(servers.wait_until, seen, 30, "it is watched, by one that lives")
        client.zadd(keys.idle(0), {session_id: 1})
        await IdleReviews().review_if_due(0)
        assert api.get(address).json()["data"]["status"] == "running"
        client.delete(presences)  # as if nobody were there any more
        client.zadd(keys.idle(0), {session_id: 1})
        await IdleReviews().review_if_due(0)
        update = await viewer.until("STATE_UPDATE")
    await redis_client.close_async_client()
    assert [event["type"] for event in update["events"]] == ["session.abandoned"]
    assert update["state"]["status"] == "cancelled"
    assert api.post(f"{address}/switch").json()["error"]["code"] == "INVALID_STATE_TRANSITION"
