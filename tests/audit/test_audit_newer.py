"""Entries of a newer release wait for its worker, which takes them by itself; nobody else waits."""

import msgspec
import pytest
from msgspec.structs import replace

from audit import row_mapping, shard_drain
from audit.drain import drain_all
from audit.models import SyncEvent, SyncSession
from synckairos import outbox
from synckairos.engine import commands as cmd
from tests.outboxes import History, dead, newer, post, waiting

pytestmark = pytest.mark.django_db


def of_the_future(entry, **changes):
    """An entry as a newer release would write it: with a larger format, and what nobody knows yet."""
    parts = msgspec.msgpack.decode(outbox.encode(replace(entry, format=outbox.FORMAT + 1)))
    for place, value in changes.items():
        parts[outbox.Entry.__struct_fields__.index(place)] = value
    return msgspec.msgpack.encode([*parts, "a field of tomorrow"])


def upgraded(monkeypatch):
    """This process becomes one of that release."""
    monkeypatch.setattr(outbox, "FORMAT", outbox.FORMAT + 1)
    shard_drain._read_up_to.clear()


@pytest.mark.parametrize("changes", [{}, {"events": [[99, 1, 2, 3]]}, {"summary": ["a mode of tomorrow"]}])
def test_they_are_neither_dead_nor_written_by_halves(changes, caplog):
    history = History()
    other = History().played(3)
    post(of_the_future(history.entries[0], **changes), *other.entries)
    for _ in range(5):
        assert drain_all()
    assert (waiting(), newer(), dead()) == (0, 1, [])
    assert SyncEvent.objects.count() == other.state.sequence
    assert caplog.text.count("newer release") == 1


def test_the_upgraded_worker_takes_them_by_itself(monkeypatch):
    history = History().do(cmd.Start())
    created, started = history.entries
    post(created, of_the_future(started))
    drain_all()
    assert SyncSession.objects.get().version == 1
    later_one = history.do(cmd.Switch(), 10).entries[-1]
    upgraded(monkeypatch)
    post(later_one)
    drain_all()
    assert (waiting(), newer(), dead()) == (0, 0, [])
    assert SyncSession.objects.get().version == 3
    assert SyncEvent.objects.count() == 3


def test_a_worker_that_cannot_read_them_looks_at_each_once_or_twice_not_every_second(monkeypatch):
    post(*(of_the_future(History().entries[0]) for _ in range(20)))
    drain_all()
    seen = []
    read = row_mapping.read_commit
    counted = lambda entry_id, data: (seen.append(entry_id), read(entry_id, data))[1]  # noqa: E731
    monkeypatch.setattr(row_mapping, "read_commit", counted)
    for _ in range(3):
        drain_all()
    assert seen == []
    assert newer() == 20


def test_an_entry_of_this_release_that_cannot_be_read_is_a_dead_letter_at_once():
    entry = History().entries[0]
    parts = msgspec.msgpack.decode(outbox.encode(entry))
    parts[outbox.Entry.__struct_fields__.index("events")] = [[99, 1, 2, 3]]
    post(msgspec.msgpack.encode(parts))
    drain_all()
    (letter,) = dead()
    assert (letter[b"error"], letter[b"session"].decode()) == (b"ValidationError", str(entry.session_id))
    assert letter[b"reason"] == b"ValidationError: at $[8][0][0]"
    assert newer() == 0


def test_entries_of_a_former_release_which_said_no_format_are_read():
    entry = History().entries[0]
    parts = msgspec.msgpack.decode(outbox.encode(entry))
    place = outbox.Entry.__struct_fields__.index("format")
    assert outbox.decode(msgspec.msgpack.encode(parts[:place])) == replace(entry, format=0)
