"""The commit script and what it writes, on a real server."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import msgpack
import msgspec
import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from sessions import announcements
from sessions.announcements import HubMessage, PresenceHint
from sessions.services import sessions as service
from sessions.services.commits import write_of
from sessions.services.outcome import Caller, Idempotency
from sessions.services.retention import GRACE_MS
from sessions.store import codec, store, writes
from synckairos import outbox, stored_state
from synckairos.auth.permissions import AccessSnapshot, ParticipantIdentity
from synckairos.auth.principal import SYSTEM, Principal
from synckairos.conf import conf
from synckairos.engine import SyncMode, create_session, decide, next_deadline
from synckairos.engine.commands import Complete, Create, Delete, Pause, Resume, Seat, Start, Switch
from synckairos.engine.state import Access
from synckairos.errors import Conflict, IdempotencyKeyReused, SessionAlreadyExists, SessionNotFound
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_async, run_blocking
from synckairos.redis.scripts import send_blocking
from tests.clocked import ALICE, Clock


@pytest.fixture
def clock():
    return Clock()


def loaded(session_id):
    return send_blocking(store.load(session_id))


def everything(session_id):
    """All that the store holds of one session, without the outbox."""
    client = redis_client.blocking_client()
    shard = keys.shard_of(session_id)
    return {
        "state": client.get(keys.state(session_id)),
        "recent": client.lrange(keys.recent(session_id), 0, -1),
        "deadline": client.zscore(keys.deadlines(shard), str(session_id)),
        "outbox": client.xlen(keys.outbox(shard)),
    }


def test_a_commit_writes_state_deadline_history_and_audit_together(clock):
    session_id = clock.start()
    found = everything(session_id)
    state = stored_state.decode_state(found["state"])
    assert stored_state.read_header(found["state"]) == (state.epoch, 2)
    assert found["deadline"] == next_deadline(state).at_ms == clock.now_ms + 60_000
    assert [codec.decode_commit(entry).version for entry in found["recent"]] == [2, 1]
    assert found["outbox"] == 2


def test_a_commit_on_an_older_version_changes_nothing_and_tells_how_things_stand(clock):
    session_id = clock.start()
    state = loaded(session_id).state
    stale = write_of(decide(state, Pause(), clock.now_ms), clock.now_ms, ALICE)
    clock.do(session_id, Switch())
    before = everything(session_id)
    reply = send_blocking(writes.commit(stale))
    assert isinstance(reply, writes.LostRace)
    assert reply.snapshot.state == loaded(session_id).state
    assert everything(session_id) == before


def test_the_same_commit_sent_twice_is_in_once(clock):
    session_id = clock.start()
    write = write_of(decide(loaded(session_id).state, Switch(), clock.now_ms), clock.now_ms, ALICE)
    assert isinstance(send_blocking(writes.commit(write)), writes.Committed)
    before = everything(session_id)
    assert isinstance(send_blocking(writes.commit(write)), writes.Committed)
    assert everything(session_id) == before


def test_the_same_creation_sent_twice_is_in_once(clock):
    create = Create.of(SyncMode.PER_PARTICIPANT, (Seat(uuid4(), 60_000),))
    decision = create_session(create, session_id=uuid4(), epoch="0123abcd", now=clock.now_ms)
    write = write_of(decision, clock.now_ms, ALICE, is_creation=True)
    for _ in range(2):
        assert isinstance(send_blocking(writes.commit(write)), writes.Committed)
    assert everything(write.session_id)["outbox"] == 1


def test_a_commit_on_a_deleted_session_says_gone(clock):
    session_id = clock.start()
    state = loaded(session_id).state
    clock.do(session_id, Delete())
    write = write_of(decide(state, Switch(), clock.now_ms), clock.now_ms, ALICE)
    assert isinstance(send_blocking(writes.commit(write)), writes.SessionMissing)
    assert everything(session_id)["state"] is None


def test_a_session_recreated_under_its_id_is_another_one(clock):
    session_id = clock.start()
    old = loaded(session_id).state
    clock.do(session_id, Delete())
    clock.run(service.create(Create.of(SyncMode.GLOBAL, total_time_ms=60_000), session_id, ALICE))
    clock.do(session_id, Start())
    assert loaded(session_id).state.version == old.version
    write = write_of(decide(old, Switch(), clock.now_ms), clock.now_ms, ALICE)
    assert isinstance(send_blocking(writes.commit(write)), writes.LostRace)


def test_an_id_in_use_is_refused(clock):
    session_id = clock.create()
    with pytest.raises(SessionAlreadyExists):
        clock.run(service.create(Create.of(SyncMode.GLOBAL, total_time_ms=60_000), session_id, ALICE))


def test_deleting_takes_everything_away_and_is_told_to_the_audit(clock):
    session_id = clock.start()
    clock.do(session_id, Delete())
    found = everything(session_id)
    assert (found["state"], found["recent"], found["deadline"]) == (None, [], None)
    _, fields = redis_client.blocking_client().xrevrange(keys.outbox(keys.shard_of(session_id)), count=1)[0]
    entry = outbox.decode(fields[outbox.FIELD])
    assert [event.name for event in entry.events] == ["session.deleted"]
    clock.run(service.delete(session_id, ALICE))


def test_commands_on_a_session_that_does_not_exist_are_refused(clock):
    with pytest.raises(SessionNotFound):
        clock.do(uuid4(), Start())


@pytest.mark.parametrize("finish", [Pause, Complete])
def test_a_session_whose_clock_stands_has_no_deadline(clock, finish):
    session_id = clock.start()
    clock.do(session_id, finish())
    assert everything(session_id)["deadline"] is None


def test_a_session_outlives_its_last_transition_and_its_next_deadline(clock):
    """24 h of bank: it is still there long after the clock ran out, and a paused one even longer after the pause."""
    clock.now_ms = int(time.time() * 1000)
    session_id = clock.start(bank_ms=86_400_000)
    client = redis_client.blocking_client()
    deadline_ms = clock.now_ms + 86_400_000
    assert client.pexpiretime(keys.state(session_id)) == deadline_ms + conf().idle_ttl_ms + GRACE_MS
    assert client.pexpiretime(keys.recent(session_id)) == deadline_ms + conf().idle_ttl_ms + GRACE_MS
    clock.now_ms += 3_600_000
    clock.do(session_id, Pause())
    assert client.pexpiretime(keys.state(session_id)) == clock.now_ms + conf().paused_ttl_ms + GRACE_MS
    clock.do(session_id, Complete())
    assert client.pexpiretime(keys.state(session_id)) == clock.now_ms + conf().finished_ttl_ms


def test_a_running_two_player_session_costs_at_most_2_kib(clock, capsys):
    client = redis_client.blocking_client()

    def used() -> int:
        return sum(client.memory_usage(key, samples=0) for key in client.scan_iter("*"))

    sessions = 50
    ids = []
    for _ in range(sessions):
        session_id = clock.start(increment_ms=2_000, bank_ms=600_000, warning_thresholds_ms=(30_000, 10_000))
        for _ in range(30):
            clock.now_ms += 1_234
            clock.do(session_id, Switch())
        ids.append(session_id)
    client.delete(keys.outbox(0))  # what the drain takes away
    each = used() / sessions
    with capsys.disabled():
        print(f"\none running two-player session after 30 switches: {each:.0f} bytes in the store")
    assert each <= 2048


def test_what_is_published_is_what_the_layer_delivers(clock, transactional_db):
    """The layer's format is private to channels_redis: this fails when it changes."""

    async def receive() -> dict:
        layer = RedisPubSubChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
        channel = await layer.new_channel()
        await layer.group_add(keys.group(session_id), channel)
        await run_async(service.execute(session_id, Start(), ALICE))
        try:
            return await asyncio.wait_for(layer.receive(channel), 30)
        finally:
            await layer.flush()
            await redis_client.close_async_client()

    session_id = clock.create()
    message = asyncio.run(receive())
    assert (message["type"], message["version"]) == (announcements.HUB_HANDLER, 2)
    assert b'"type":"STATE_UPDATE"' in message["state_frame"]
    assert announcements.unpack(msgpack.packb(message)).session_id == session_id


def test_what_is_packed_for_the_hubs_is_unpacked_as_it_was():
    session_id, epoch = uuid4(), "0123abcd"
    snapshot = AccessSnapshot(
        session_id, epoch, Access("alice"), (ParticipantIdentity(uuid4(), None), ParticipantIdentity(uuid4(), "bob"))
    )
    for sample in (
        HubMessage(session_id, epoch, 1, 2, b"{}", (b"a",)),
        HubMessage(
            session_id, epoch, 0, 1, b"{}", is_creation=True, encoded_access=announcements.encode_access(snapshot)
        ),
        HubMessage(session_id, epoch, 1, 2, b"{}", is_deletion=True),
    ):
        assert announcements.unpack(announcements.pack(sample)) == sample
    assert announcements.unpack(announcements.pack_hint(session_id)) == PresenceHint(session_id)


def test_processes_of_two_releases_understand_each_other():
    """What goes between them, in so many words: a deploy runs both for a while."""
    session_id, seat = uuid4(), uuid4()
    snapshot = AccessSnapshot(session_id, "0123abcd", Access("alice"), (ParticipantIdentity(seat, None),))
    message = HubMessage(
        session_id, "0123abcd", 1, 2, b"{}", (b"a",), encoded_access=announcements.encode_access(snapshot)
    )
    on_its_way = {
        "type": "session.frames",
        "session_id": session_id.bytes,
        "epoch": "0123abcd",
        "since_version": 1,
        "version": 2,
        "state_frame": b"{}",
        "notices": [b"a"],
        "is_creation": False,
        "is_deletion": False,
        "guests": msgpack.packb(
            [session_id.bytes, "0123abcd", ["alice", "private", [], 0, [], ""], [[seat.bytes, None]]]
        ),
    }
    assert msgpack.unpackb(announcements.pack(message)) == on_its_way
    assert announcements.unpack(msgpack.packb(on_its_way)) == message
    hint = {"type": "session.presence", "session_id": session_id.bytes}
    assert msgpack.unpackb(announcements.pack_hint(session_id)) == hint
    assert announcements.unpack(msgpack.packb(on_its_way | {"of_a_later_release": 1})) == message
    assert announcements.unpack(msgpack.packb({"type": "session.of_a_later_release"})) is None
    for wrong in (on_its_way | {"version": "2"}, {"type": "session.presence"}, {}, []):
        with pytest.raises(msgspec.DecodeError):
            announcements.unpack(msgpack.packb(wrong))


def keyed(key: str, fingerprint: bytes = b"same body") -> Caller:
    alice = Principal("alice", is_staff=True, expires_s=2**40)
    return Caller(alice, "test", Idempotency(key, "POST /switch", fingerprint))


def test_a_key_used_again_gets_the_first_answer(clock):
    session_id = clock.start()
    clock.now_ms += 5_000
    first = clock.run(service.execute(session_id, Switch(), keyed("k")))
    clock.now_ms += 5_000
    again = clock.run(service.execute(session_id, Switch(), keyed("k")))
    assert again.replayed
    assert (again.state, again.at_ms) == (first.state, first.at_ms)
    assert loaded(session_id).state.version == 3
    with pytest.raises(IdempotencyKeyReused):
        clock.run(service.execute(session_id, Switch(), keyed("k", b"another body")))
    assert clock.run(service.execute(session_id, Switch(), keyed("l"))).state.version == 4


def test_a_creation_repeated_with_its_key_makes_one_session(clock):
    create = Create.of(SyncMode.GLOBAL, total_time_ms=60_000)
    first = clock.run(service.create(create, None, keyed("k")))
    again = clock.run(service.create(create, None, keyed("k")))
    assert again.replayed
    assert again.state == first.state
    with pytest.raises(IdempotencyKeyReused):
        clock.run(service.create(create, None, keyed("k", b"another body")))


def test_a_refused_command_leaves_no_answer_under_its_key(clock):
    session_id = clock.create()
    with pytest.raises(Exception, match="pending"):
        clock.run(service.execute(session_id, Switch(), keyed("k")))
    clock.do(session_id, Start())
    assert not clock.run(service.execute(session_id, Switch(), keyed("k"))).replayed


def test_a_reading_commits_the_deadlines_that_it_shows(clock):
    session_id = clock.start(
        sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=30_000, action_on_timeout={"type": "skip_cycle"}
    )
    clock.now_ms += 95_000
    shown = clock.run(service.get(session_id, SYSTEM))
    assert shown.state.version == 5
    assert everything(session_id)["outbox"] == 3
    assert loaded(session_id).state == shown.state


def test_a_refused_command_still_commits_what_was_due(clock):
    session_id = clock.start(
        sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=30_000, action_on_timeout={"type": "skip_cycle"}
    )
    clock.now_ms += 30_000
    with pytest.raises(Conflict):
        clock.do(session_id, Switch(expected_version=2))
    assert loaded(session_id).state.version == 3


def test_an_hour_of_unattended_seconds_is_caught_up_in_portions(clock):
    session_id = clock.start(
        sync_mode=SyncMode.PER_CYCLE, time_per_cycle_ms=1_000, action_on_timeout={"type": "skip_cycle"}
    )
    clock.now_ms += 3_600_000 - 500
    outcome = clock.do(session_id, Pause())
    assert outcome.state.cycle.number == 3_599
    assert outcome.state.version == 2 + 3_599 + 1
    assert sum(seat.time_used_ms for seat in outcome.state.participants) == 3_600_000 - 500
    assert everything(session_id)["outbox"] > 10


def test_a_warning_an_expiry_and_the_end_each_come_with_their_frames(clock):
    session_id = clock.start(
        bank_ms=20_000, warning_thresholds_ms=(5_000,), action_on_timeout={"type": "end_session", "by": "flag"}
    )
    clock.now_ms += 30_000
    decision_state = clock.run(service.get(session_id, SYSTEM)).state
    assert decision_state.status == "expired"
    entries = [codec.decode_commit(raw) for raw in everything(session_id)["recent"]]
    assert [event.name for event in entries[0].events] == [
        "participant.warned",
        "participant.expired",
        "session.expired",
    ]


def test_sync_and_async_callers_get_the_same(clock):
    session_id = clock.start()

    async def read() -> object:
        try:
            return (await run_async(service.get(session_id, SYSTEM))).state
        finally:
            await redis_client.close_async_client()

    assert asyncio.run(read()) == run_blocking(service.get(session_id, SYSTEM)).state


def test_resuming_and_pausing_keep_the_deadline_true(clock):
    session_id = clock.start()
    clock.now_ms += 10_000
    clock.do(session_id, Pause())
    clock.now_ms += 3_600_000
    clock.do(session_id, Resume())
    assert everything(session_id)["deadline"] == clock.now_ms + 50_000


def test_a_day_long_session_with_pauses_over_an_hour_is_still_there_and_still_exact(clock):
    clock.now_ms = began_ms = int(time.time() * 1000)
    hour_ms = 3_600_000
    session_id = clock.start(bank_ms=24 * hour_ms, action_on_timeout={"type": "end_session"})
    kept_until_ms = []
    for _ in range(4):
        clock.now_ms += 5 * hour_ms + 1
        clock.do(session_id, Pause())
        clock.now_ms += hour_ms + 7
        kept_until_ms.append((clock.now_ms, redis_client.blocking_client().pexpiretime(keys.state(session_id))))
        clock.do(session_id, Resume())
    deadline_ms = began_ms + 28 * hour_ms + 4 * 7
    assert everything(session_id)["deadline"] == deadline_ms
    assert redis_client.blocking_client().pexpiretime(keys.state(session_id)) > deadline_ms + hour_ms
    assert all(until_ms > at_ms for at_ms, until_ms in kept_until_ms)
    clock.now_ms = deadline_ms + 3
    state = clock.run(service.get(session_id, SYSTEM)).state
    assert (state.status, state.completed_ms) == ("expired", deadline_ms)
    assert state.running_ms == state.participants[0].time_used_ms == 24 * hour_ms
