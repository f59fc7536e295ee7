"""Twice, late, in any order, in any portions: the tables end up the same."""

import random

import pytest

from audit import outbox_reader
from audit.drain import drain_all
from audit.models import SyncEvent, SyncSession
from synckairos.engine import commands as cmd
from synckairos.telemetry import metrics
from tests.outboxes import History, clear, dead, drained, full_history, post, tables, waiting

pytestmark = pytest.mark.django_db


def rows_written():
    return metrics.AUDIT_ROWS._value.get()


@pytest.mark.parametrize("seed", range(6))
def test_twice_and_out_of_order_is_the_same_as_once_and_in_order(monkeypatch, seed):
    shuffle = random.Random(seed)
    histories = [full_history(), History().played(9), full_history().do(cmd.Delete())]
    entries = [entry for history in histories for entry in history.entries]
    post(*entries)
    drained()
    expected = tables()
    clear()
    again = [*entries, *shuffle.sample(entries, len(entries) // 2)]
    shuffle.shuffle(again)
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", shuffle.choice([1, 2, 7, 500]))
    monkeypatch.setattr(outbox_reader, "MAX_READ_ENTRIES", shuffle.choice([1, 5, 20, 2_000]))
    post(*again)
    drained()
    assert tables() == expected
    assert (waiting(), dead()) == (0, [])


def test_a_late_entry_adds_its_events_and_takes_nothing_back():
    history = History().played(4)
    *_, third, last = history.entries
    post(*history.entries[:2], last)
    drained()
    post(third)
    drained()
    row = SyncSession.objects.get()
    assert (row.version, row.events.count()) == (last.version, last.version)
    active = history.state.participants[0]
    seat = row.participants.get(participant_id=active.participant_id)
    assert (seat.time_used_ms, seat.cycle_count) == (active.time_used_ms, active.cycle_count)


def test_the_creator_is_known_even_when_the_creation_comes_last():
    history = History().do(cmd.Start())
    post(*reversed(history.entries))
    drained()
    assert SyncSession.objects.get().created_by == "alice"


def test_only_new_rows_are_counted():
    history = History().played(20)
    before = rows_written()
    post(*history.entries, *history.entries)
    drained()
    post(*history.entries)
    drained()
    assert rows_written() - before == SyncEvent.objects.count() == history.state.sequence


def test_another_event_under_a_number_that_is_taken_is_set_aside_not_swallowed(caplog):
    history = History().played(3)
    twin = History(session_id=history.state.session_id)
    twin.do(cmd.Start(), 77)
    post(*history.entries)
    drained()
    expected = tables()
    post(twin.entries[1])
    for _ in range(3):
        drain_all()
    assert tables() == expected
    assert [letter[b"error"] for letter in dead()] == [b"Diverged"]
    assert "outbox entry set aside" in caplog.text
