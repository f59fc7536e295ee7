"""One drain at a time; and when two meet all the same, the tables do not notice."""

import threading

import pytest
from django.db import OperationalError, connection

from audit import drain, outbox_reader, row_mapping, shard_drain, shard_leases
from audit.drain import drain_all
from audit.event_writer import write
from audit.models import SyncEvent
from synckairos import outbox
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History, full_history, post, tables, waiting


@pytest.mark.django_db
def test_while_one_drains_another_leaves_everything_alone(caplog):
    post(*History().entries)
    lease = redis_client.blocking_client().lock(keys.drain_lease(0), timeout=5)
    assert lease.acquire(blocking=False)
    drain_all()
    assert (waiting(), SyncEvent.objects.count()) == (1, 0)
    assert lease.owned()
    assert caplog.text == ""
    lease.release()
    drain_all()
    assert (waiting(), SyncEvent.objects.count()) == (0, 1)


@pytest.mark.django_db
def test_a_drain_gives_its_lease_back_whatever_happens(failing):
    post(*History().entries)
    with failing("audit_", OperationalError("away")):
        drain_all()
    assert not redis_client.blocking_client().exists(keys.drain_lease(0))


@pytest.mark.django_db
def test_a_drain_that_lost_its_lease_stops_after_what_it_has_in_hand(monkeypatch, caplog):
    monkeypatch.setattr(outbox_reader, "COMMAND_SIZE", 2)
    monkeypatch.setattr(outbox_reader, "MAX_READ_ENTRIES", 2)
    monkeypatch.setattr(shard_leases, "EXTEND_EVERY_S", 0)
    history = History().played(6)
    post(*history.entries)
    write_isolating_faults = drain.write_isolating_faults

    def slowly(commits, keep):
        redis_client.blocking_client().set(keys.drain_lease(0), "somebody else")
        return write_isolating_faults(commits, keep)

    monkeypatch.setattr(drain, "write_isolating_faults", slowly)
    drain_all()
    assert "lost its lease" in caplog.text
    assert waiting() == 4
    assert redis_client.blocking_client().get(keys.drain_lease(0)) == b"somebody else"


@pytest.mark.django_db
def test_every_shard_is_drained(configure):
    configure(shards=3)
    histories = [History().played(3) for _ in range(12)]
    for history in histories:
        shard = keys.shard_of(history.state.session_id)
        for entry in history.entries:
            redis_client.blocking_client().xadd(keys.outbox(shard), {"e": outbox.encode(entry)})
    drain_all()
    assert SyncEvent.objects.count() == sum(history.state.sequence for history in histories)
    assert not any(redis_client.blocking_client().xlen(keys.outbox(shard)) for shard in range(3))


@pytest.mark.django_db(transaction=True)
def test_two_that_write_the_same_at_the_same_time_write_it_once():
    histories = [full_history() for _ in range(20)]
    commits = [
        row_mapping.read_commit("1-0", outbox.encode(entry))
        for number in range(8)
        for h in histories
        for entry in [h.entries[number]]
    ]
    both = threading.Barrier(2)

    def work(order):
        try:
            both.wait()
            for start in range(0, len(order), 16):
                _until_done(order[start : start + 16])
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(order,)) for order in (commits, commits[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = tables()
    write(commits)
    assert tables() == together
    assert SyncEvent.objects.count() == sum(len(commit.events) for commit in commits)
    assert all(session["version"] == histories[0].entries[7].version for session in together[0])


def _until_done(commits):
    for _ in range(20):
        try:
            write(commits)
        except OperationalError:  # a deadlock: the next beat repeats
            continue
        return
    raise AssertionError("never written")


@pytest.mark.django_db
def test_what_comes_while_a_drain_writes_waits_for_the_next_one(monkeypatch):
    history = History().played(4)
    first, *rest = history.entries
    post(first)
    write_isolating_faults = drain.write_isolating_faults

    def meanwhile(commits, keep):
        post(*rest)
        rest.clear()
        return write_isolating_faults(commits, keep)

    monkeypatch.setattr(drain, "write_isolating_faults", meanwhile)
    drain_all()
    assert waiting() == len(history.entries) - 1
    drain_all()
    assert waiting() == 0


@pytest.mark.django_db
def test_the_time_from_a_commit_to_its_rows_is_measured_and_that_of_a_retry_is_not(monkeypatch):
    seen = []
    monkeypatch.setattr(shard_drain.metrics.AUDIT_DELAY_SECONDS, "observe", seen.append)
    second = int(redis_client.blocking_client().time()[0])
    entry = outbox.encode(History().entries[0])
    redis_client.blocking_client().xadd(keys.outbox(0), {"e": entry}, id=f"{(second - 60) * 1000}-0")
    drain_all()
    (delay_s,) = seen
    assert delay_s >= 60
    redis_client.blocking_client().xadd(keys.outbox_refused(0, 1), {"e": entry}, id=f"{(second - 60) * 1000}-0")
    drain_all()
    assert (seen, redis_client.blocking_client().xlen(keys.outbox_refused(0, 1))) == ([delay_s], 0)
