"""What a client that comes back is told: exactly what it has missed, or nothing but the state."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest

from sessions.services import recovery
from sessions.services import sessions as service
from synckairos.auth.principal import SYSTEM
from synckairos.engine.commands import Create, Delete, Pause, Resume, Seat, Switch
from synckairos.engine.units import SyncMode
from synckairos.ids import COMMAND_ID_BYTES
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.clocked import ALICE, Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def playing(clock):
    """A session at version 6, a second between any two versions."""
    session_id = clock.start()
    for command in (Switch(), Pause(), Resume(), Switch()):
        clock.now_ms += 1_000
        clock.do(session_id, command)
    return session_id


def recover(clock, session_id, last_version, epoch="same"):
    if epoch == "same":
        epoch = clock.run(service.get(session_id, SYSTEM)).state.epoch
    return clock.run(recovery.recover(session_id, SYSTEM, last_version, epoch))


@pytest.mark.parametrize("last_version", range(1, 7))
def test_exactly_the_missed_events_are_told_in_order(clock, playing, last_version):
    found = recover(clock, playing, last_version)
    assert found.recovered
    assert [event.version for event in found.missed] == list(range(last_version + 1, 7))
    assert found.state.version == 6


@pytest.mark.parametrize(("last_version", "recovered"), [(4, True), (3, True), (2, False), (1, False)])
def test_more_events_than_the_window_has_are_not_told_at_all(clock, playing, configure, last_version, recovered):
    configure(recovery_events=3)
    found = recover(clock, playing, last_version)
    assert found.recovered is recovered
    assert len(found.missed) == (6 - last_version if recovered else 0)


@pytest.mark.parametrize(("age_ms", "recovered"), [(3_000, True), (2_999, False)])
def test_events_older_than_the_window_are_not_told_at_all(clock, playing, configure, age_ms, recovered):
    configure(recovery_age_ms=age_ms)
    found = recover(clock, playing, 2)  # its oldest event happened three seconds ago
    assert (found.recovered, bool(found.missed)) == (recovered, recovered)


def test_events_beyond_the_commits_that_are_kept_are_not_told_at_all(clock, playing, configure):
    configure(recent_transitions=2)
    clock.do(playing, Switch())
    assert recover(clock, playing, 5).recovered
    assert not recover(clock, playing, 4).recovered


def test_a_commit_of_a_newer_release_is_not_told_and_hides_neither_the_state_nor_what_came_after_it(clock, playing):
    """Processes of two releases serve side by side during an upgrade."""
    name = keys.recent(playing)
    (stored,) = redis_client.blocking_client().lrange(name, 1, 1)
    parts = msgspec.msgpack.decode(stored[COMMAND_ID_BYTES:])
    parts[-1] = [[99, "an event of tomorrow"]]
    redis_client.blocking_client().lset(name, 1, stored[:COMMAND_ID_BYTES] + msgspec.msgpack.encode(parts))
    assert [event.version for event in recover(clock, playing, 5).missed] == [6]
    found = recover(clock, playing, 4)
    assert (found.recovered, found.missed, found.state.version) == (False, (), 6)


@pytest.mark.parametrize(("last_version", "epoch"), [(None, "same"), (3, None), (3, "00000000"), (7, "same")])
def test_without_proof_only_the_state_is_told(clock, playing, last_version, epoch):
    found = recover(clock, playing, last_version, epoch)
    assert (found.recovered, found.missed, found.state.version) == (False, (), 6)


def test_a_session_made_anew_under_the_same_id_is_never_mistaken_for_the_old_one(clock, playing):
    old_epoch = clock.run(service.get(playing, SYSTEM)).state.epoch
    clock.do(playing, Delete())
    seats = (Seat(uuid4(), 60_000), Seat(uuid4(), 60_000))
    again = Create.of(sync_mode=SyncMode.PER_PARTICIPANT, participants=seats)
    clock.run(service.create(again, playing, ALICE))
    for last_version in (1, 6):
        assert not recover(clock, playing, last_version, old_epoch).recovered
    assert recover(clock, playing, 1).recovered
