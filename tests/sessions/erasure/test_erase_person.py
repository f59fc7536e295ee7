"""`manage.py erase_person`: afterwards no table, no key of the store, no export and no log has the person any more."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from audit import outbox_reader, selectors
from audit.models import SyncErasure, SyncEvent, SyncHold, SyncSession
from audit.retention_role import retention
from audit.verification import verify
from sessions.erasure import erasing
from sessions.services import one_time_tickets, sessions
from sessions.services.outcome import Caller, Idempotency
from sessions.services.state_cache import StateCache
from sessions.store import codec
from synckairos import outbox, stored_state
from synckairos.auth import refresh_tokens
from synckairos.auth.principal import Principal
from synckairos.engine import commands as cmd
from synckairos.engine.state import Access
from synckairos.engine.units import Status, SyncMode
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from synckairos.redis.store_clock import store_clock
from tests.outboxes import ALICE, dead, drained, post

pytestmark = pytest.mark.django_db
BOB = "bob-å@example.com"
BOBBY = f"{BOB}m"
"""Another person, whose name begins like Bob's."""


def caller(name=BOB, key=None, **rights):
    given = None if key is None else Idempotency.of_request(key, "POST", "/v1/x", None)
    return Caller(Principal(name, is_staff=False, expires_s=2**40, **rights), "r-2", given)


def game(*users, owner="alice", **fields):
    return cmd.Create.of(
        sync_mode=SyncMode.PER_PARTICIPANT,
        participants=tuple(cmd.Seat(uuid4(), 60_000, user_id=name) for name in users),
        access=Access(owner),
        **fields,
    )


def made(create, by=ALICE):
    return run_blocking(sessions.create(create, None, by)).state


def do(state, *commands, by=ALICE):
    for command in commands:
        state = run_blocking(sessions.execute(state.session_id, command, by)).state
    return state


def stored(session_id):
    data = redis_client.blocking_client().get(keys.state(session_id))
    return None if data is None else stored_state.decode_state(data)


def erase(*options, name=BOB):
    call_command("erase_person", name, "--by", "ops", "--quiet", *options)


READERS = {
    b"string": lambda store, key: [store.get(key)],
    b"list": lambda store, key: store.lrange(key, 0, -1),
    b"hash": lambda store, key: [part for pair in store.hgetall(key).items() for part in pair],
    b"zset": lambda store, key: store.zrange(key, 0, -1),
    b"set": lambda store, key: list(store.smembers(key)),
    b"stream": lambda store, key: [v for _, fields in store.xrange(key) for v in fields.values()],
}


def store_contents():
    store = redis_client.blocking_client()
    for key in store.scan_iter(count=1000):
        yield key, key
        for data in READERS[store.type(key)](store, key):
            yield key, data
            if b":i:" in key:
                yield key, codec._encoder.encode(codec.decode_answer(data))  # it may be packed


def table_contents():
    for model in apps.get_models():
        for row in model.objects.values():
            for name, cell in row.items():
                yield f"{model._meta.model_name}.{name}", cell


def traces(value=BOB):
    """Every place in store and database that has a value, in whatever form."""
    raw = value.encode()
    found = {key.decode() for key, data in store_contents() if raw in data}
    for place, cell in table_contents():
        if isinstance(cell, bytes | memoryview):
            if raw in bytes(cell):
                found.add(place)
        elif value in str(cell) or json.dumps(value)[1:-1] in str(cell):
            found.add(place)
    return found


def verified():
    """All chains are right, and all histories replay."""
    for session in SyncSession.objects.all():
        assert verify(session).finding is None
        assert selectors.replayed_state(session).version == session.version


@pytest.fixture
def user():
    made_user = User.objects.create_user(BOB, "bob@elsewhere.example", "secret", first_name="Robert", is_staff=True)
    refresh_tokens.issue_pair(made_user)
    log = {"action_flag": CHANGE, "content_type": ContentType.objects.get_for_model(User), "object_id": made_user.pk}
    LogEntry.objects.create(user=made_user, object_repr=BOB, change_message="[]", **log)
    return made_user


def test_nothing_has_the_person_any_more(user, capsys, caplog):
    """A player with a seat of another's live session, of an ended one, of one that was given away; an owner of one."""
    live = do(made(game("ann", BOB, metadata={"white": BOB, "event": "Open"})), cmd.Start(), cmd.Switch())
    do(live, cmd.Switch(), by=caller(key="k-0"))
    do(live, cmd.AdjustTime(live.participants[1].participant_id, adjust_ms=5, reason="He was ill."))
    other = made(g := game("ann", BOB))
    do(other, cmd.AdjustTime(g.participants[1].participant_id, adjust_ms=5, reason="He fell asleep."))
    ended = do(made(game("ann", BOB)), cmd.Start(), cmd.Complete())
    given = do(made(g := game(BOB, "ann")), cmd.AssignSeat(g.participants[0].participant_id, "carol"))
    own = do(made(game("ann", owner=BOB, metadata={"event": "Bob's Open"}), caller(key="k-1")), cmd.Start())
    do(own, cmd.Pause(), by=caller(key="k-2"))
    do(own, cmd.Complete(), by=caller())
    run_blocking(one_time_tickets.issue(live.session_id, caller().principal))
    SyncHold.objects.create(session_id=uuid4(), is_held=True, reason=f"says {BOB}", by=BOB, at=timezone.now())
    before = traces()
    for place in (
        *(keys.state(live.session_id), keys.recent(live.session_id), keys.state(ended.session_id), keys.outbox(0)),
        *(keys.state(own.session_id), "user.username", "logentry.object_repr", "synchold.by", "synchold.reason"),
    ):
        assert place in before, place
    assert any(":i:" in place for place in before)
    assert any(":ticket:" in place for place in before)
    erase()
    assert traces() == set()
    assert (
        traces("Bob's Open")
        == traces("He was ill.")
        == traces("He fell asleep.")
        == traces("Robert")
        == traces("bob@elsewhere")
        == set()
    )
    verified()
    after = stored(live.session_id)
    assert [p.user_id for p in after.participants] == ["ann", ""]
    assert after.status is Status.RUNNING
    assert set(after.config.metadata) == {"commitment"}
    assert after.config.metadata == selectors.replayed_state(selectors.session_get(live.session_id)).config.metadata
    assert stored(ended.session_id) is stored(own.session_id) is None
    assert [p.user_id for p in stored(given.session_id).participants] == ["carol", "ann"]
    user.refresh_from_db()
    assert (user.is_active, user.has_usable_password()) == (False, False)
    assert not OutstandingToken.objects.exists()
    assert "values in" in capsys.readouterr().out
    assert BOB not in caplog.text
    do(live, cmd.Switch())
    drained()
    verified()


def test_what_was_erased_when_and_by_whom_is_recorded():
    do(made(game("ann", BOB)), cmd.Cancel())
    erase()
    [record] = SyncErasure.objects.all()
    assert (record.by, record.sessions) == ("ops", 1)
    assert record.values >= 2
    assert record.completed_at is not None
    assert bytes(record.person) != b""


def test_live_sessions_of_the_person_are_listed_and_cancelled_only_when_asked():
    own = do(made(game("ann", owner=BOB), caller()), cmd.Start())
    with pytest.raises(CommandError, match=f"{own.session_id}.*--cancel-live"):
        erase()
    assert stored(own.session_id).status is Status.RUNNING
    assert not SyncErasure.objects.exists()
    erase("--cancel-live")
    assert stored(own.session_id) is None
    assert SyncSession.objects.get().status == "cancelled"
    assert SyncEvent.objects.get(type="session.cancelled").principal == "ops"
    assert traces() == set()
    verified()


def test_a_dry_run_counts_and_changes_nothing(capsys):
    live, own = made(game("ann", BOB)), made(game("carol", owner=BOB), caller())
    drained()
    erase("--dry-run")
    told = capsys.readouterr().out
    assert "from 2 sessions of the audit and 1 in the store; live sessions of the person: 1" in told
    assert f"live: {own.session_id}" in told
    assert stored(live.session_id).participants[1].user_id == BOB
    assert not SyncErasure.objects.exists()


def test_another_person_whose_name_begins_alike_stays():
    state = do(made(game("ann", BOBBY, metadata={"white": BOBBY}), caller("ann", key="k")), cmd.Start())
    before = stored(state.session_id)
    erase()
    assert stored(state.session_id) == before
    assert SyncEvent.objects.get(sequence=1).data["participants"][1]["user_id"] == BOBBY


def test_sessions_without_a_part_of_the_person_stay_in_the_store_whatever_their_metadata_say():
    state = do(
        made(game("ann", "carol", metadata={"game": "chess"}), caller("ann", key="k")), cmd.Start(), cmd.Cancel()
    )
    before = stored(state.session_id)
    erase(name="chess")
    assert stored(state.session_id) == before
    [name] = redis_client.blocking_client().scan_iter("*:i:*")
    assert codec.decode_answer(redis_client.blocking_client().get(name)).state.config.metadata == {"game": "chess"}


def test_dead_letters_with_values_of_the_person_must_be_gone_first():
    post(outbox.encode(outbox_entry := entry_of(made(game("ann", BOB)))), b"rubbish")
    redis_client.blocking_client().rename(keys.outbox(0), keys.outbox_dead(0))
    assert dead()
    with pytest.raises(CommandError, match=r"2 dead letters hold values.*audit_dead_letters"):
        erase()
    assert outbox_entry.principal == "alice"
    redis_client.blocking_client().delete(keys.outbox_dead(0))
    erase()
    assert traces() == set()
    assert SyncErasure.objects.get().completed_at is not None  # of the first run, which this one has continued


def entry_of(state):
    [(_, fields)] = redis_client.blocking_client().xrange(keys.outbox(0))
    entry = outbox.decode(fields[b"e"])
    assert entry.session_id == state.session_id
    return entry


def test_commits_that_cannot_be_written_now_are_waited_for(monkeypatch):
    made(game("ann", BOB))
    monkeypatch.setattr(erasing, "DRAIN_S", 0.0)
    monkeypatch.setattr(erasing, "drain_all", lambda: False)
    with pytest.raises(CommandError, match="wait in the outbox"):
        erase()
    assert SyncErasure.objects.get().completed_at is None


@pytest.mark.parametrize("step", ["_drain", "_erase_rows", "_empty_store", "_erase_late_snapshots"])
def test_an_erasure_that_was_interrupted_is_completed_by_the_next(monkeypatch, step):
    do(made(game("ann", BOB, metadata={"white": BOB})), cmd.Start())
    do(made(game("ann", owner=BOB), caller(key="k")), cmd.Cancel())
    with monkeypatch.context() as broken:
        broken.setattr(erasing, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            erase()
    assert SyncErasure.objects.get().completed_at is None
    erase()
    assert traces() == set()
    assert SyncErasure.objects.get().completed_at is not None
    verified()


def interrupted(*_args):
    raise KeyboardInterrupt


def test_a_session_under_legal_hold_is_left_and_named(capsys):
    kept, other = do(made(game("ann", BOB)), cmd.Start()), do(made(game("ann", BOB)), cmd.Start())
    drained()
    call_command("audit_hold", str(kept.session_id), "--reason", "appeal", "--by", "arbiter")
    with pytest.raises(CommandError, match="Not everything"):
        erase()
    assert f"legal hold: {kept.session_id}" in capsys.readouterr().out
    assert stored(kept.session_id).participants[1].user_id == BOB
    assert stored(other.session_id).participants[1].user_id == ""
    call_command("audit_hold", str(kept.session_id), "--release", "--reason", "decided", "--by", "arbiter")
    erase()
    assert traces() == set()
    verified()


def test_a_seat_that_is_the_persons_by_its_id_is_given_to_nobody_and_the_id_stays(capsys):
    me = uuid4()
    state = made(
        cmd.Create.of(
            sync_mode=SyncMode.PER_PARTICIPANT, participants=(cmd.Seat(me, 60_000), cmd.Seat(uuid4(), 60_000))
        )
    )
    erase(name=str(me))
    assert [p.user_id for p in stored(state.session_id).participants] == ["", None]
    assert "stays: 1 seats have this id" in capsys.readouterr().out


def test_a_process_that_remembers_the_state_does_not_bring_the_value_back(monkeypatch):
    monkeypatch.setattr(store_clock, "lower_bound_ms", outbox_reader.now_ms)
    cache = StateCache()
    state = do(made(game("ann", "carol", metadata={"white": BOB})), cmd.Start())
    run_blocking(sessions.execute(state.session_id, cmd.Switch(), ALICE, cache=cache))
    assert cache.snapshot(state.session_id) is not None
    erase()
    run_blocking(sessions.execute(state.session_id, cmd.Switch(), ALICE, cache=cache))
    drained()
    assert traces() == set()
    verified()


@pytest.mark.parametrize("name", ["timekeeper", "operator", "(erased)", f"sha256:{'x' * 43}", " bob", "ops"])
def test_names_that_cannot_be_erased_are_refused(name):
    with pytest.raises(CommandError):
        erase(name=name)


def test_a_large_answer_that_is_kept_packed_is_rewritten_and_lives_no_longer():
    users = [f"player-{n}" for n in range(300)]
    state = made(game(*users, BOB), caller("alice", key="k"))
    [name] = list(redis_client.blocking_client().scan_iter("*:i:*"))
    redis_client.blocking_client().pexpire(name, timedelta(hours=1))
    erase()
    assert traces() == set()
    kept = codec.decode_answer(redis_client.blocking_client().get(name))
    assert kept.state.participants[0].user_id == "player-0"
    assert redis_client.blocking_client().pttl(name) <= 3_600_000
    assert stored(state.session_id).participants[-1].user_id == ""


def restored(state):
    """The same session in another life of the store."""
    drained()
    redis_client.blocking_client().flushall()
    call_command("restore_sessions")
    drained()
    return stored(state.session_id)


@pytest.mark.parametrize("lives", [1, 2])
def test_metadata_of_a_live_session_that_was_restored_leave_its_state(lives):
    live = do(made(game("ann", BOB, metadata={"white": BOB})), cmd.Start(), cmd.Switch())
    for _ in range(lives):
        after = restored(live)
        assert after.epoch != live.epoch
    erase()
    assert traces() == set()
    after = stored(live.session_id)
    assert after.status is Status.RUNNING
    assert after.config.metadata == selectors.replayed_state(selectors.session_get(live.session_id)).config.metadata
    do(live, cmd.Switch())
    drained()
    verified()


def test_metadata_of_a_live_session_that_the_audit_does_not_know_leave_its_state():
    live = do(made(game("ann", BOB, metadata={"white": BOB})), cmd.Start())
    drained()
    with retention():
        SyncSession.objects.all().delete()
    erase()
    assert stored(live.session_id).config.metadata == {"commitment": "(erased)"}
    redis_client.blocking_client().delete(keys.state(live.session_id))
    drained()
