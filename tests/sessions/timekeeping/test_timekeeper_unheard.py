"""The frame of a large session, which costs more than the rest of its commit, is made up only if somebody listens."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest
from django.core.management import call_command

from sessions import announcements
from sessions.management.commands import timekeeper
from sessions.services import deadlines
from sessions.services.deadlines import LARGE, DeadlineStatus, apply_due
from synckairos import outbox, stored_state
from synckairos.engine.units import SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.clocked import Clock


@pytest.fixture
def packed(monkeypatch):
    """The frames that were made up."""
    made = []
    pack = announcements.pack
    monkeypatch.setattr(announcements, "pack", lambda message: made.append(message) or pack(message))
    return made


def cycling(players):
    """A session of which one deadline has come."""
    clock = Clock(int(time.time() * 1000) - 60_500)
    return clock.start(sync_mode=SyncMode.PER_CYCLE, players=players, time_per_cycle_ms=60_000, auto_advance=True)


def applied(*session_ids):
    async def main():
        try:
            return await apply_due(session_ids)
        finally:
            await redis_client.close_async_client()

    return {one.session_id: one.status for one in asyncio.run(main())}


def stored(session_id):
    return stored_state.decode_state(redis_client.blocking_client().get(keys.state(session_id)))


def test_of_a_large_session_that_nobody_shows_no_frame_is_made_and_all_else_is_as_ever(packed):
    session_id = cycling(LARGE)
    packed.clear()
    before = redis_client.blocking_client().xlen(keys.outbox(0))
    assert applied(session_id) == {session_id: DeadlineStatus.APPLIED}
    assert packed == []
    state = stored(session_id)
    assert (state.version, state.cycle.number) == (3, 1)
    assert redis_client.blocking_client().xlen(keys.outbox(0)) == before + 1
    (_, fields), *_ = redis_client.blocking_client().xrevrange(keys.outbox(0), count=1)
    assert outbox.decode(fields[outbox.FIELD]).version == 3


@pytest.mark.parametrize("players", [2, LARGE])
def test_whoever_listens_gets_it(packed, players):
    shown, hidden = cycling(players), cycling(LARGE)
    packed.clear()
    subscription = redis_client.blocking_client().pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(keys.group_channel(shown))
    while not redis_client.blocking_client().pubsub_numsub(keys.group_channel(shown))[0][1]:
        time.sleep(0.01)
    assert applied(shown, hidden) == {shown: DeadlineStatus.APPLIED, hidden: DeadlineStatus.APPLIED}
    message = None
    while message is None:
        message = subscription.get_message(timeout=30)
    subscription.close()
    frames = announcements.unpack(message["data"])
    assert (frames.session_id, frames.since_version, frames.version, len(frames.notices)) == (shown, 2, 3, 1)
    assert [one.session_id for one in packed] == [shown]
    assert stored(shown).version == stored(hidden).version == 3


def test_where_no_node_knows_who_listens_it_is_made_for_everybody(packed, monkeypatch):
    session_id = cycling(LARGE)
    packed.clear()
    monkeypatch.setattr(deadlines.redis_client, "is_cluster", lambda: True)
    assert applied(session_id) == {session_id: DeadlineStatus.APPLIED}
    assert len(packed) == 1


def test_the_collector_does_not_look_at_all_that_is_loaded_whenever_large_sessions_make_it_run(monkeypatch):
    def run(steps):
        steps.close()
        frozen.append(gc.get_freeze_count())

    frozen: list[int] = []
    monkeypatch.setattr(timekeeper.asyncio, "run", run)
    monkeypatch.setattr(timekeeper.durability, "require_durable_store", lambda: None)
    try:
        call_command("timekeeper")
    finally:
        gc.unfreeze()
    assert frozen[0] > 10_000
