"""Commits of several shards are written in one transaction, and each shard has its own faults and its own lease."""

from itertools import count

import pytest
from django.db import IntegrityError

from audit import drain, shard_leases
from audit.drain import drain_all
from audit.models import SyncEvent
from synckairos import outbox
from synckairos.engine import commands as cmd
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from tests.outboxes import History

pytestmark = pytest.mark.django_db
SHARDS = 4


@pytest.fixture(autouse=True)
def _shards(configure):
    configure(shards=SHARDS)


def histories_by_shard(commits=3):
    """One history of each shard, with all its entries in that shard's outbox."""
    found = {}
    while len(found) < SHARDS:
        history = History()
        found.setdefault(keys.shard_of(history.state.session_id), history)
    for shard, history in found.items():
        history.played(commits)
        for entry in history.entries:
            redis_client.blocking_client().xadd(keys.outbox(shard), {"e": outbox.encode(entry)})
    return found


def waiting_in(shard):
    return redis_client.blocking_client().xlen(keys.outbox(shard))


@pytest.fixture
def writes(monkeypatch):
    """The sessions of each transaction, in the order of the writes."""
    made, write = [], drain.write_isolating_faults

    def noted(commits, keep):
        made.append({commit.key[0] for commit in commits})
        return write(commits, keep)

    monkeypatch.setattr(drain, "write_isolating_faults", noted)
    return made


def test_one_transaction_takes_what_all_shards_have(writes):
    histories = histories_by_shard()
    assert drain_all()
    assert writes == [{history.state.session_id for history in histories.values()}]
    assert SyncEvent.objects.count() == sum(history.state.sequence for history in histories.values())
    assert [waiting_in(shard) for shard in range(SHARDS)] == [0] * SHARDS


def test_a_transaction_takes_no_more_shards_than_it_can_hold(writes, monkeypatch):
    monkeypatch.setattr(drain, "MAX_ROWS_PER_TRANSACTION", 25)
    histories = histories_by_shard()
    assert drain_all()
    assert len(writes) > 1
    assert set().union(*writes) == {history.state.session_id for history in histories.values()}
    assert SyncEvent.objects.count() == sum(history.state.sequence for history in histories.values())


def test_a_commit_that_is_refused_is_set_aside_in_its_own_shard(failing):
    histories = histories_by_shard()
    histories[2].do(cmd.Pause(), 5, "mallory")
    redis_client.blocking_client().xadd(keys.outbox(2), {"e": outbox.encode(histories[2].entries[-1])})
    with failing("mallory", IntegrityError("no")):
        assert drain_all()
    refused = [redis_client.blocking_client().xlen(keys.outbox_refused(shard, 1)) for shard in range(SHARDS)]
    assert refused == [0, 0, 1, 0]
    assert [waiting_in(shard) for shard in range(SHARDS)] == [0] * SHARDS
    assert SyncEvent.objects.count() == sum(history.state.sequence for history in histories.values()) - 1


def test_a_shard_that_another_drain_has_taken_meanwhile_stays_with_it_and_the_others_are_written(monkeypatch, failing):
    """The lease is lost while a faulty commit is searched for, between two transactions of one write."""
    monkeypatch.setattr(shard_leases, "EXTEND_EVERY_S", 0)
    histories = histories_by_shard()
    histories[1].do(cmd.Pause(), 5, "mallory")
    redis_client.blocking_client().xadd(keys.outbox(1), {"e": outbox.encode(histories[1].entries[-1])})
    write, calls = drain.write_isolating_faults, count()

    def while_another_takes_shard_3(commits, keep):
        def keep_and_lose():
            if next(calls) == 1:
                redis_client.blocking_client().set(keys.drain_lease(3), "somebody else")
            return keep()

        return write(commits, keep_and_lose)

    monkeypatch.setattr(drain, "write_isolating_faults", while_another_takes_shard_3)
    with failing("mallory", IntegrityError("no")):
        assert drain_all()
    assert [bool(waiting_in(shard)) for shard in range(SHARDS)] == [False, False, False, True]
    others = sum(history.state.sequence for shard, history in histories.items() if shard not in {1, 3})
    written = SyncEvent.objects.exclude(session__session_id__in=[histories[s].state.session_id for s in (1, 3)])
    assert written.count() == others
    assert redis_client.blocking_client().get(keys.drain_lease(3)) == b"somebody else"
    assert redis_client.blocking_client().xlen(keys.outbox_refused(1, 1)) == 1
