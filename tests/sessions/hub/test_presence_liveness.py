"""Who counts as alive, and whose announcements are cleared away: silence counts only while it could be broken."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sessions.hub.presence_tracker import PresenceTracker
from sessions.hub.subscriber import Subscriber
from sessions.hub.topics import Topics
from sessions.store.presence_records import ClientCounts, write_client_counts
from synckairos.auth.principal import Principal
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.scripts import send_blocking
from tests.transports import BlockedTransport


@pytest.fixture
async def looking():
    """What one process believes of the others: `looking({"web": 0}, at_s=…)` tells it what the store has heard of them;
    of this process it has, unless it has forgotten all that it was told."""
    here = PresenceTracker(Topics())

    def look(heard, at_s, *, is_forgotten=False):
        here._apply_liveness(heard if is_forgotten else {here._process: 0} | heard, at_s)
        return here._liveness.alive - {here._process}

    return look


async def test_a_store_that_has_lost_its_data_takes_nobody_from_the_screens(looking):
    assert looking({"one": 0, "two": 400}, at_s=100.0) == {"one", "two"}
    assert looking({"one": 0}, at_s=101.0) == {"one", "two"}
    assert looking({"one": 0, "two": 300}, at_s=102.0) == {"one", "two"}


async def test_a_process_that_is_not_heard_of_counts_as_alive_for_five_seconds(looking):
    looking({"one": 0, "two": 0}, at_s=100.0)
    for at_s in (101.0, 102.0, 103.0, 104.0, 105.0):
        assert looking({"one": 0}, at_s) == {"one", "two"}
    assert looking({"one": 0}, at_s=105.1) == {"one"}


async def test_silence_proves_nothing_while_the_store_loses_its_data_again_and_again(looking):
    looking({"one": 0, "two": 0}, at_s=100.0)
    for at_s in range(101, 161):
        assert looking({}, float(at_s), is_forgotten=True) == {"one", "two"}
    for at_s in range(161, 166):
        assert looking({"one": 0}, float(at_s)) == {"one", "two"}
    assert looking({"one": 0}, at_s=166.0) == {"one"}


async def test_who_was_late_itself_takes_nobody_for_dead_by_what_it_did_not_hear(looking):
    looking({"one": 0, "two": 0}, at_s=100.0)
    assert looking({"one": 5_900, "two": 6_000}, at_s=106.0) == {"one", "two"}  # all were kept from speaking
    assert looking({"one": 0, "two": 7_000}, at_s=107.0) == {"one", "two"}
    for at_s in range(108, 112):
        looking({"one": 0, "two": 1_000 * (at_s - 100)}, float(at_s))
    assert looking({"one": 0, "two": 11_100}, at_s=111.1) == {"one"}


async def test_silence_while_the_store_is_away_proves_nothing(looking):
    looking({"one": 0, "two": 0}, at_s=100.0)
    assert looking({"one": 0}, at_s=130.0) == {"one", "two"}
    for at_s in (131.0, 132.0, 133.0, 134.0, 135.0):
        looking({"one": 0}, at_s)
    assert looking({"one": 0}, at_s=136.0) == {"one"}


@pytest.fixture
async def cleared(monkeypatch):
    """Whether a process, told this of how long ago the store has heard of "other", clears away what that has told."""
    session_id, topics = uuid4(), Topics()
    topic = topics.add(session_id, Subscriber(BlockedTransport(), Principal("alice", is_staff=False, expires_s=2**40)))
    topic.is_subscribed = True
    here = PresenceTracker(topics)
    send_blocking(write_client_counts(session_id, "other", ClientCounts(viewers=1), is_news=False))

    async def clears(at_s, heard):
        async def hear():
            here._apply_liveness({here._process: 0} | heard, at_s)

        monkeypatch.setattr(here, "_update_liveness", hear)
        await here._update_liveness()
        await here._read({session_id})
        return not redis_client.blocking_client().hexists(keys.presence(session_id), "other")

    return clears


async def test_what_a_dead_process_has_told_is_cleared_away(cleared):
    for seconds in range(11):
        assert not await cleared(100.0 + seconds, {"other": seconds * 1_000})
    assert await cleared(111.0, {"other": 11_000})


async def test_a_process_that_the_store_has_forgotten_is_not_taken_for_dead(cleared):
    assert not await cleared(100.0, {"other": 0})
    for at_s in range(101, 131):
        assert not await cleared(float(at_s), {})


async def test_who_was_silent_while_the_store_was_away_is_not_taken_for_dead(cleared):
    assert not await cleared(100.0, {"other": 0})
    assert not await cleared(130.0, {"other": 30_000})
