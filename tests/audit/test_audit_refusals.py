"""What the database refuses: all of it is an outage, one entry is tried again for an hour and is a dead letter then."""

from itertools import count
from types import SimpleNamespace

import pytest
from django.db import DataError, IntegrityError, InternalError, connection
from django.db.utils import NotSupportedError

from audit import drain, event_writer, outbox_reader, shard_drain
from audit.drain import drain_all
from audit.models import SyncEvent
from synckairos.engine import commands as cmd
from synckairos.redis import keys
from tests.outboxes import History, dead, newer, post, refused, tables, waiting

pytestmark = pytest.mark.django_db
LONG_MS = (10_000, 60_000, 300_000, 900_000, 3_600_000)


@pytest.fixture
def later(monkeypatch):
    """`later(ms)` puts the clock that refused entries wait on so much ahead of the store's."""
    moved = 0
    real = outbox_reader.now_ms

    def move(to_ms):
        nonlocal moved
        moved = to_ms

    monkeypatch.setattr(outbox_reader, "now_ms", lambda: real() + moved)
    monkeypatch.setattr(shard_drain, "_last_write_ms", {})
    return move


def others():
    """Entries that nothing is wrong with, in the outbox."""
    post(*(history := History().played(3)).entries)
    return history


@pytest.mark.parametrize("kind", [DataError, IntegrityError, InternalError, NotSupportedError])
def test_while_everything_is_refused_nothing_dies_and_nobody_looks_for_the_culprit(failing, kind, caplog, monkeypatch):
    history = History().played(40)
    post(*history.entries)
    attempts = []
    write = event_writer.write
    monkeypatch.setattr(event_writer, "write", lambda commits: (attempts.append(len(commits)), write(commits))[1])
    with failing("audit_", kind("no")):
        for _ in range(5):
            assert not drain_all()
    assert attempts == [40, 1] * 5  # all of them, then one that nothing is wrong with
    assert (waiting(), refused(), dead()) == (40, [], [])
    assert "audit store refuses everything" in caplog.text
    assert kind.__name__ in caplog.text
    assert drain_all()
    assert SyncEvent.objects.count() == history.state.sequence


def test_a_single_entry_in_an_outage_is_not_taken_for_the_culprit(failing):
    post(*History().entries)
    with failing("audit_", IntegrityError("no")):
        assert not drain_all()
    assert (waiting(), refused()) == (1, [])


@pytest.mark.parametrize("kind", [DataError, IntegrityError, InternalError])
def test_one_that_is_refused_holds_nobody_up_and_is_tried_for_an_hour(failing, later, kind):
    histories = [History().played(30) for _ in range(3)]
    histories[1].do(cmd.Pause(), 5, "mallory")
    post(*(entry for history in histories for entry in history.entries))
    expected = sum(history.state.sequence for history in histories) - 1
    with failing("mallory", kind("no")):
        assert drain_all()
        assert SyncEvent.objects.count() == expected
        for times, after_ms in enumerate(LONG_MS, 1):
            assert (waiting(), refused(), dead()) == (0, [times], [])
            drain_all()
            later(after_ms - 2_000)
            others()
            drain_all()
            assert refused() == [times]  # not before its time
            later(after_ms + 1_000)
            others()
            drain_all()
    assert (waiting(), refused()) == (0, [])
    (letter,) = dead()
    assert letter[b"error"].decode() == kind.__name__
    assert letter[b"session"].decode() == str(histories[1].state.session_id)


def test_a_refusal_counts_only_while_others_are_taken(failing, later):
    post(*History().do(cmd.Start(), 5, "mallory").entries)
    with failing("mallory", IntegrityError("no")):
        drain_all()
        for _ in range(20):
            later(2 * max(LONG_MS))
            drain_all()
        assert (refused(), dead()) == ([1], [])
        others()
        later(20_000)
        drain_all()
    assert refused() == [2]


def test_looking_for_many_culprits_ends_with_the_drain_s_time_and_the_next_one_goes_on(failing, monkeypatch):
    """Each costs transactions of its own: a worker that took minutes for them would be taken for stuck."""
    history = History().do(cmd.Start(), 5, "mallory")
    while len(history.entries) < 32:
        history.do(cmd.Switch(), 10, "mallory")
    post(*history.entries)
    seconds = count(step=100)
    monkeypatch.setattr(drain, "time", SimpleNamespace(monotonic=lambda: next(seconds)))  # so many between two looks
    with failing("mallory", IntegrityError("no")):
        left = []
        while waiting():
            assert len(left) < 32, "a drain in vain"
            assert drain_all(max_duration_s=250)
            left.append(waiting())
    assert left == list(range(31, -1, -1))
    assert (SyncEvent.objects.count(), refused()) == (1, [1] * 31)


def test_what_was_refused_is_written_when_the_database_takes_it_and_takes_nothing_back(failing, later):
    history = History().do(cmd.Start(), 5, "mallory").do(cmd.Switch(), 10)
    post(*history.entries)
    with failing("mallory", DataError("no")):
        drain_all()
    assert (waiting(), refused()) == (0, [1])
    later(11_000)
    drain_all()
    assert (refused(), dead()) == ([], [])
    [session], events, _ = tables()
    assert (session["version"], len(events)) == (history.state.version, history.state.sequence)


def test_the_log_names_the_constraint_and_never_the_data(failing, caplog):
    with connection.cursor() as cursor:
        name = "audit_no_mallory"
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE audit_syncevent ADD CONSTRAINT {name} CHECK (principal <> 'mallory')")
        else:
            cursor.execute(
                f"CREATE TRIGGER {name} BEFORE INSERT ON audit_syncevent WHEN NEW.principal = 'mallory' "
                f"BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: {name}'); END"
            )
    post(*History().do(cmd.Start(), 5, "mallory").entries)
    drain_all()
    assert refused() == [1]
    assert "IntegrityError" in caplog.text
    assert name in caplog.text
    assert "mallory'" not in caplog.text.replace(name, "")
    letter = outbox_reader.read_range(keys.outbox_refused(0, 1), outbox_reader.BEFORE_ALL, 1)[0]
    assert name in letter.note("reason")
    assert newer() == 0
