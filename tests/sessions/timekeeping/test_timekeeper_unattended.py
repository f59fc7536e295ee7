"""Sessions that switch by themselves, with nobody watching, reading or commanding them, are let go: docs/clock.md."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest
from msgspec.structs import replace

from sessions.services import abandonment, deadlines, retention
from sessions.services import sessions as service
from sessions.services.retention import _ActivityNotes
from sessions.store import idle, presence_records, store
from sessions.store.presence_records import ClientCounts
from sessions.store.store import Snapshot
from sessions.timekeeping.idle_reviews import IdleReviews
from sessions.timekeeping.keeper import Timekeeper
from synckairos import stored_state
from synckairos.auth.principal import SYSTEM
from synckairos.conf import conf
from synckairos.engine.commands import Complete, Pause, Resume, Switch
from synckairos.engine.units import SyncMode
from synckairos.ops import alive_processes
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import perform
from synckairos.redis.procedures import run_blocking as asked
from tests.clocked import Clock

HOUR = 3_600_000
TTL = 12 * HOUR
CYCLING = {
    "sync_mode": SyncMode.PER_CYCLE,
    "players": 3,
    "time_per_cycle_ms": 60_000,
    "action_on_timeout": {"type": "skip_cycle"},
}


@pytest.fixture(autouse=True)
def looks(monkeypatch):
    """What a process that has just started remembers."""
    monkeypatch.setattr(retention, "_notes", _ActivityNotes())


def ago(hours):
    return Clock(int(time.time() * 1000) - int(hours * HOUR))


def on_loop(*steps):
    async def main():
        try:
            for step in steps:
                await step()
        finally:
            await redis_client.close_async_client()

    asyncio.run(main())


def review():
    """Look through them, as the timekeeper does."""
    on_loop(lambda: IdleReviews().review_if_due(0))


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def check_at(session_id):
    return redis_client.blocking_client().zscore(keys.idle(0), str(session_id))


def apply_all(session_id):
    """All its deadlines up to now are applied and committed, as by the timekeeper: no sign of life."""
    for _ in range(200):
        loaded = asked(perform(store.load(session_id)))
        if stored(session_id).updated_ms > loaded.now - 60_000 or loaded.state.status != "running":
            return
        asked(deadlines.catch_up(session_id, loaded))


def test_one_that_nobody_has_looked_at_for_12_hours_is_let_go_though_it_has_switched_all_the_time():
    clock = ago(13)
    session_id = clock.start(**CYCLING)
    began_ms = clock.now_ms
    assert check_at(session_id) == began_ms + TTL
    apply_all(session_id)
    before = stored(session_id)
    assert (before.status, before.cycle.number) == ("running", 13 * 60)
    assert check_at(session_id) == began_ms + TTL
    review()
    after = stored(session_id)
    assert (after.status, after.version) == ("cancelled", before.version + 1)
    assert after.completed_ms == before.updated_ms
    assert (check_at(session_id), redis_client.blocking_client().zscore(keys.deadlines(0), str(session_id))) == (
        None,
        None,
    )
    event = asked(perform(store.history(session_id))).commits[0].events[-1]
    assert (event.name, event.idle_since_ms) == ("session.abandoned", began_ms)


@pytest.mark.parametrize("sign", ["switch", "read", "many", "pause"])
def test_whoever_commands_or_reads_it_keeps_it(sign):
    clock = ago(13)
    session_id = clock.start(**CYCLING)
    apply_all(session_id)
    now = ago(0)
    match sign:
        case "switch":
            now.do(session_id, Switch())
        case "read":
            asked(service.get(session_id, SYSTEM))
        case "many":
            asked(service.get_many([session_id], SYSTEM))
        case "pause":
            now.do(session_id, Pause())
            now.do(session_id, Resume())
    assert check_at(session_id) == pytest.approx(time.time() * 1000 + TTL, abs=120_000)
    review()
    assert stored(session_id).status == "running"


def test_whoever_watches_keeps_it_and_for_12_hours_after_leaving():
    session_id = ago(13).start(**CYCLING)
    apply_all(session_id)
    asked(perform(presence_records.write_client_counts(session_id, "web", ClientCounts(viewers=1), is_news=False)))
    asked(perform(alive_processes.report_alive(keys.web_processes(), "web")))
    review()
    assert stored(session_id).status == "running"
    redis_client.blocking_client().zadd(keys.idle(0), {str(session_id): time.time() * 1000 + 60_000})
    asked(perform(retention.note_activity(session_id)))  # as a web process notes when its last client has gone
    assert check_at(session_id) == pytest.approx(time.time() * 1000 + TTL, abs=120_000)


def test_an_end_and_a_pause_take_it_out_of_that():
    session_id = ago(1).start(**CYCLING)
    clock = ago(0)
    clock.do(session_id, Pause())
    assert check_at(session_id) == pytest.approx(clock.now_ms + conf().paused_ttl_ms, abs=120_000)
    clock.do(session_id, Complete())
    assert check_at(session_id) is None


def test_one_that_starts_by_itself_is_noted_with_its_first_deadline():
    clock = ago(13)
    session_id = clock.create(start_at_ms=clock.now_ms + 60_000, **CYCLING)
    assert check_at(session_id) is None
    on_loop(lambda: Timekeeper().apply_shard(0))
    noted_ms = check_at(session_id)
    assert noted_ms is not None
    on_loop(lambda: Timekeeper().apply_shard(0))
    assert check_at(session_id) == noted_ms
    assert stored(session_id).updated_ms > clock.now_ms + 60_000


def test_one_from_before_it_was_noted_is_noted_with_its_next_deadline():
    session_id = ago(1).start(**CYCLING)
    redis_client.blocking_client().delete(keys.idle(0))
    on_loop(lambda: Timekeeper().apply_shard(0))
    assert check_at(session_id) is not None


@pytest.mark.parametrize(
    "options",
    [
        {"bank_ms": 24 * HOUR, "auto_advance": True},
        {**CYCLING, "players": 1_000, "time_per_cycle_ms": 44_000},
    ],
    ids=["a day each", "a round that is long"],
)
def test_where_a_round_takes_longer_than_that_nobody_is_too_late(options):
    clock = ago(13)
    session_id = clock.start(**options)
    apply_all(session_id)
    review()
    assert stored(session_id).status == "running"
    assert check_at(session_id) > time.time() * 1000


@pytest.mark.parametrize("action", ["notify", "end_session"])
def test_one_that_stops_at_its_deadline_is_not_noted_while_it_has_one(action):
    session_id = ago(0).start(bank_ms=24 * HOUR, action_on_timeout={"type": action})
    assert check_at(session_id) is None


def test_what_is_due_comes_first():
    """The timekeeper is behind: the end would stand before deadlines that are earlier."""
    session_id = ago(13).start(**CYCLING)
    state = stored(session_id)
    due_ms = state.updated_ms + TTL
    verdict = abandonment._verdict(session_id, due_ms, Snapshot(due_ms + HOUR, state), is_watched=False)
    assert verdict.script.name == "postpone_idle"
    caught = replace(state, updated_ms=due_ms, cycle=replace(state.cycle, started_ms=due_ms))
    verdict = abandonment._verdict(session_id, due_ms, Snapshot(due_ms + HOUR, caught), is_watched=False)
    assert verdict.state.status == "cancelled"


def test_a_look_is_noted_once_in_a_while(monkeypatch):
    noted = []
    extend = idle.extend
    monkeypatch.setattr(idle, "extend", lambda session_id, *more: noted.append(1) or extend(session_id, *more))
    clock = ago(0)
    session_id = clock.start(**CYCLING)
    for minutes, times in ((0, 1), (1, 1), (23, 1), (25, 2), (26, 2)):
        at = Clock(clock.now_ms + minutes * 60_000)
        state = replace(stored(session_id), updated_ms=at.now_ms)
        assert retention.activity_note(state, at.now_ms) is None or len(noted) == times
        assert len(noted) == times


def test_a_process_remembers_so_many_looks_and_no_more(monkeypatch):
    monkeypatch.setattr(retention, "_MAX_NOTED", 3)
    looks = _ActivityNotes()
    for _ in range(9):
        assert looks.take_turn(uuid4(), 1, 1)
    assert len(looks._noted) == 3
