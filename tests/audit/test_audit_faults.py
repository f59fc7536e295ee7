"""What goes wrong: bad entries, a database that refuses or is away, a store that drops the reply."""

import logging
import threading

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError

from audit import drain, outbox_reader, shard_drain
from audit.drain import drain_all
from audit.models import SyncEvent
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.telemetry import metrics
from tests.outboxes import History, dead, post, tables, waiting

pytestmark = pytest.mark.django_db


def deaths():
    return metrics.AUDIT_DEAD._value.get()


def test_a_poison_entry_is_set_aside_and_the_others_go_through(caplog):
    history = History().played(4)
    first, *rest = history.entries
    before = deaths()
    (_, poison_id, *_) = post(first, b"\xc1poison", *rest)
    redis_client.blocking_client().xadd(keys.outbox(0), {"other": "field"})
    drain_all()
    assert SyncEvent.objects.count() == history.state.sequence
    assert waiting() == 0
    letter, fieldless = dead()
    assert (letter[b"e"], letter[b"id"]) == (b"\xc1poison", poison_id)
    assert letter[b"error"] in {b"DecodeError", b"ValidationError"}
    assert fieldless[b"other"] == b"field"
    assert deaths() - before == 2
    assert caplog.text.count("outbox entry set aside") == 2


def test_an_entry_with_nul_is_set_aside_whole():
    bad = replace(History().entries[0], principal="a\0b")
    post(bad)
    drain_all()
    assert [letter[b"error"] for letter in dead()] == [b"Unfit"]
    assert tables() == ([], [], [])


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, ProgrammingError])
def test_with_the_database_away_nothing_is_finished_and_nothing_is_lost(failing, kind, caplog):
    history = History().played(10)
    post(*history.entries)
    with failing("audit_", kind("away")):
        for _ in range(4):
            drain_all()
    assert waiting() == 10
    assert dead() == []
    assert "audit store" in caplog.text
    drain_all()
    assert SyncEvent.objects.count() == history.state.sequence
    assert waiting() == 0


def test_with_the_state_store_away_the_drain_says_so_and_returns(monkeypatch, caplog):
    def away(*_, **__):
        raise RedisConnectionError("away")

    monkeypatch.setattr(redis_client.blocking_client(), "xrange", away)
    post(*History().entries)
    drain_all()
    assert "state store" in caplog.text
    monkeypatch.undo()
    drain_all()
    assert SyncEvent.objects.count() == 1


def elsewhere(query):
    """What a query finds on a connection of its own: committed rows only."""
    found = []

    def ask():
        found.append(query())
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.django_db(transaction=True)
def test_rows_are_committed_before_the_entry_is_let_go(monkeypatch):
    history = History().played(10)
    post(*history.entries)
    seen = []

    def lost(key, entries):
        seen.append(elsewhere(SyncEvent.objects.count))
        raise RedisConnectionError("reply lost")

    with monkeypatch.context() as patch:
        patch.setattr(outbox_reader, "delete", lost)
        drain_all()
        drain_all()
    assert seen == [history.state.sequence] * 2
    expected = tables()
    assert waiting() == 10
    drain_all()
    assert tables() == expected
    assert waiting() == 0


def test_what_a_former_release_has_read_and_not_finished_is_written_too():
    history = History().played(5)
    post(*history.entries)
    redis_client.blocking_client().xgroup_create(keys.outbox(0), "audit", id="0")
    redis_client.blocking_client().xreadgroup("audit", "drain", {keys.outbox(0): ">"}, count=3)
    shard_drain._read_up_to.clear()
    drain_all()
    assert SyncEvent.objects.count() == history.state.sequence
    assert waiting() == 0
    assert redis_client.blocking_client().xinfo_groups(keys.outbox(0)) == []


def test_a_drain_stops_when_its_time_is_over_and_the_next_goes_on(monkeypatch):
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", 3)
    history = History().played(10)
    post(*history.entries)
    drain_all(max_duration_s=0)
    assert waiting() == 10
    drain_all()
    assert waiting() == 0


def portions_written(monkeypatch):
    """The numbers of commits that are written together from here on."""
    sizes = []
    write = drain.write_isolating_faults
    noted = lambda commits, keep: (sizes.append(len(commits)), write(commits, keep))[1]  # noqa: E731
    monkeypatch.setattr(drain, "write_isolating_faults", noted)
    return sizes


def test_large_entries_go_in_several_transactions(monkeypatch):
    monkeypatch.setattr(drain, "MAX_ROWS_PER_TRANSACTION", 10)
    sizes = portions_written(monkeypatch)
    histories = [History().played(5) for _ in range(3)]
    post(*(entry for history in histories for entry in history.entries))
    drain_all()
    assert sum(sizes) == 15
    assert len(sizes) > 3
    assert SyncEvent.objects.count() == sum(history.state.sequence for history in histories)


def test_what_several_reads_bring_is_written_together_and_let_go_in_as_many_steps(monkeypatch):
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", 4)
    monkeypatch.setattr(outbox_reader, "MAX_READ_ENTRIES", 10)
    sizes = portions_written(monkeypatch)
    first, *rest = History().played(20).entries
    post(b"\xc1poison", first, *rest)
    drain_all()
    assert sizes == [11, 9]
    assert (waiting(), len(dead())) == (0, 1)


def test_what_was_read_and_not_written_is_read_again_in_as_many_steps(monkeypatch, failing):
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", 4)
    history = History().played(15)
    post(*history.entries)
    with failing("INSERT", OperationalError("away")):
        drain_all()
    assert waiting() == 15
    sizes = portions_written(monkeypatch)
    drain_all()
    assert sizes == [15]
    assert SyncEvent.objects.count() == history.state.sequence
    assert waiting() == 0


def test_a_read_ends_early_when_entries_are_large(monkeypatch):
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", 1)
    monkeypatch.setattr(outbox_reader, "MAX_READ_BYTES", 500)
    sizes = portions_written(monkeypatch)
    post(*(History().entries[0] for _ in range(6)))
    drain_all()
    assert sum(sizes) == 6
    assert max(sizes) < 6


def test_nothing_of_an_entry_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    post(b"secret-bytes", replace(History().entries[0], principal="secret\0"))
    drain_all()
    assert "set aside" in caplog.text
    assert "secret" not in caplog.text
