"""The drain that waits: rows come at once, workers share the shards, and a stop or a lost connection ends a wait."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from audit import outbox_watch, shard_leases, waiting_drain
from audit.models import SyncEvent
from audit.outbox_watch import OutboxWatch
from audit.shard_leases import ShardLeases
from audit.stop_request import StopRequest
from audit.waiting_drain import WaitingDrain
from synckairos import outbox
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History, post, waiting
from tests.servers import wait_until

FOR_EVER_S = 3_600.0
"""Longer than the longest time that a test may take."""


@contextmanager
def draining(drain, stop):
    """A drain that waits in a thread of its own; gives the list of what its run returned."""
    results = []

    def work():
        try:
            results.append(drain.run(FOR_EVER_S))
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield results
    finally:
        stop.make()
        thread.join()


@pytest.fixture
def stop():
    return StopRequest()


def blocked_clients():
    return redis_client.blocking_client().info("clients")["blocked_clients"]


def is_waiting():
    return bool(blocked_clients())


@pytest.mark.django_db(transaction=True)
def test_entries_are_written_as_they_come_while_the_drain_waits(stop):
    history = History().played(6)
    with draining(WaitingDrain(stop), stop):
        for number, entry in enumerate(history.entries, 1):
            wait_until(is_waiting, 30, "the drain waits")
            post(entry)
            wait_until(lambda number=number: SyncEvent.objects.filter(version=number).exists(), 30, "the row is there")
    assert SyncEvent.objects.count() == history.state.sequence
    assert waiting() == 0


@pytest.mark.django_db(transaction=True)
def test_what_comes_within_a_moment_is_written_together(stop, monkeypatch):
    monkeypatch.setattr(waiting_drain, "GATHER_S", FOR_EVER_S)
    monkeypatch.setattr(waiting_drain, "MAX_GATHER_S", FOR_EVER_S)
    monkeypatch.setattr(shard_leases, "RENEW_EVERY_S", FOR_EVER_S)
    writes = []
    drain_shards = waiting_drain.drain_shards

    def noted(*args, **options):
        for drain in drain_shards(*args, **options):
            writes.extend([drain.entries] if drain.entries else [])
            yield drain

    monkeypatch.setattr(waiting_drain, "drain_shards", noted)
    first, *rest = History().played(20).entries
    with draining(WaitingDrain(stop), stop):
        wait_until(is_waiting, 30, "the drain waits")
        post(first)
        wait_until(lambda: writes, 30, "the first is written at once")
        for entry in rest:
            post(entry)
        wait_until(lambda: not is_waiting(), 30, "the drain knows that there is more")
    assert (writes, waiting()) == ([1], 19)
    successor_stop = StopRequest()
    with draining(WaitingDrain(successor_stop), successor_stop):
        wait_until(lambda: len(writes) > 1, 30, "the others are written")
    assert writes == [1, 19]


@pytest.mark.django_db(transaction=True)
def test_every_shard_is_waited_for(stop, configure):
    configure(shards=5)
    histories = [History() for _ in range(30)]
    with draining(WaitingDrain(stop), stop):
        wait_until(is_waiting, 30, "the drain waits")
        for history in histories:
            shard = keys.shard_of(history.state.session_id)
            redis_client.blocking_client().xadd(keys.outbox(shard), {"e": outbox.encode(history.entries[0])})
        wait_until(lambda: SyncEvent.objects.count() == len(histories), 30, "all rows are there")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_killed_while_it_waits_is_replaced(stop):
    history = History().played(4)
    with draining(WaitingDrain(stop), stop) as results:
        for number, entry in enumerate(history.entries, 1):
            wait_until(is_waiting, 30, "the drain waits")
            redis_client.blocking_client().client_kill_filter(_type="normal", skipme=True)
            post(entry)
            wait_until(lambda number=number: SyncEvent.objects.filter(version=number).exists(), 30, "the row is there")
        assert results == []


@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_a_drain_ends_and_gives_its_shards_to_others(stop, monkeypatch, caplog):
    def away(*_):
        raise OperationalError("away")

    monkeypatch.setattr("audit.event_writer.lock_session_rows", away)
    post(*History().entries)
    drain = WaitingDrain(stop)
    assert not drain.run(FOR_EVER_S)
    assert "audit store" in caplog.text
    blocking = redis_client.blocking_client()
    assert (waiting(), blocking.exists(keys.drain_lease(0)), blocking.zcard(keys.drains())) == (1, 0, 0)
    monkeypatch.undo()
    with draining(drain, stop):
        wait_until(SyncEvent.objects.exists, 30, "the next drain writes it")


@pytest.mark.django_db
def test_the_leases_are_kept_between_two_runs_of_a_process(stop):
    drain = WaitingDrain(stop)
    assert drain.run(0.05)
    holder = redis_client.blocking_client().get(keys.drain_lease(0))
    assert drain.run(0.05)
    assert redis_client.blocking_client().get(keys.drain_lease(0)) == holder
    stop.make()
    assert drain.run(FOR_EVER_S)
    assert not redis_client.blocking_client().exists(keys.drain_lease(0))


def test_a_signal_handler_ends_a_wait_at_once(stop):
    watch = OutboxWatch(stop)
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.make())
    sender = threading.Thread(
        target=lambda: (wait_until(is_waiting, 30, "it waits"), os.kill(os.getpid(), signal.SIGUSR1))
    )
    sender.start()
    try:
        assert watch.wait([0], FOR_EVER_S) == []
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
        watch.close()
    assert stop.is_made()


def test_a_store_that_does_not_answer_a_question_is_asked_by_another_connection(stop, monkeypatch):
    watch = OutboxWatch(stop)
    assert watch.wait([0], 0.01) == []
    monkeypatch.setattr(outbox_watch, "_OVERDUE_S", -FOR_EVER_S)  # as if this time had passed
    assert watch.wait([0], FOR_EVER_S) == [0], "a look at the stream will say what is wrong"
    watch.close()
    wait_until(lambda: not is_waiting(), 30, "its connection is closed")


class TestShares:
    """Shards are shared equally among the drains that live."""

    @pytest.fixture(autouse=True)
    def _shards(self, configure):
        configure(shards=8)

    def test_one_has_all_and_two_have_halves(self):
        first, second = ShardLeases(), ShardLeases()
        first.renew()
        assert sorted(first.held) == list(range(8))
        second.renew()
        assert not second.held
        first.renew()
        second.renew()
        assert (len(first.held), len(second.held)) == (4, 4)
        assert not first.held.keys() & second.held.keys()

    def test_one_that_ends_leaves_its_shards_to_the_others_at_once(self):
        first, second = ShardLeases(), ShardLeases()
        for leases in (first, second, first, second):
            leases.renew()
        first.close()
        second.renew()
        assert len(second.held) == 8

    def test_the_shards_of_a_dead_one_are_taken_over_when_its_leases_are_over(self, monkeypatch):
        monkeypatch.setattr(shard_leases, "LEASE_S", 0.05)
        dead, heir = ShardLeases(), ShardLeases()
        dead.renew()

        def has_all():
            heir.renew()
            return len(heir.held) == 8

        wait_until(has_all, 30, "the leases of the dead one are over")

    def test_an_earlier_release_that_drains_is_left_alone(self):
        lock = redis_client.blocking_client().lock(keys.drain_lease(3), timeout=60)
        assert lock.acquire(blocking=False)
        leases = ShardLeases()
        leases.renew()
        assert sorted(leases.held) == [0, 1, 2, 4, 5, 6, 7]
        lock.release()
