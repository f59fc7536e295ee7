"""The same store on Sentinel and on Cluster: the factory takes their URLs, the scripts stay in one slot."""

from __future__ import annotations

import asyncio
import threading
from uuid import uuid4

import pytest
import redis
from django.db import connection

from audit import dead_letters
from audit.drain import drain_all
from audit.models import SyncEvent
from audit.stop_request import StopRequest
from audit.waiting_drain import WaitingDrain
from sessions.services import one_time_tickets
from sessions.services import sessions as service
from sessions.services.recovery import recover
from sessions.store import store
from synckairos.auth.principal import SYSTEM, Principal
from synckairos.engine.commands import Start, Switch
from synckairos.errors import Unauthenticated
from synckairos.ops.scrape import measure_state_store
from synckairos.ops.store_facts import store_facts
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.client import StoreUrl, channel_layer_hosts
from synckairos.redis.procedures import run_async, run_blocking
from synckairos.redis.scripts import send_blocking
from tests.clocked import ALICE, Clock
from tests.servers import READY_WITHIN_S, StoreServer, free_port, wait_until


@pytest.fixture
def cluster(tmp_path):
    # Its second port would be 10 000 above the first, which not every free port leaves room for.
    extra = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server = StoreServer(tmp_path, port=free_port(), extra=extra).start()
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until(
            lambda: b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO"), READY_WITHIN_S, "cluster up"
        )
    yield f"redis+cluster://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def sentinel(tmp_path):
    main = StoreServer(tmp_path / "main", port=free_port()).start()
    watcher = StoreServer(tmp_path / "sentinel", port=free_port())
    watcher.directory.mkdir()
    config = watcher.directory / "sentinel.conf"
    config.write_text(
        f"port {watcher.port}\ndir {watcher.directory}\nsentinel monitor clocks 127.0.0.1 {main.port} 1\n"
    )
    watcher.start_sentinel(config)
    yield f"redis+sentinel://127.0.0.1:{watcher.port}/clocks/0"
    watcher.stop()
    main.stop()


@pytest.fixture(params=["cluster", "sentinel"])
def topology(request, configure):
    url = request.getfixturevalue(request.param)
    configure(redis_url=url, shards=8)
    return url


def test_sessions_run_spread_over_all_shards(topology):
    clock = Clock()
    ids = [clock.start() for _ in range(150)]  # none of 8 shards stays empty, but once in 60 million runs
    assert len({keys.shard_of(session_id) for session_id in ids}) == 8
    for session_id in ids:
        clock.now_ms += 100
        assert clock.do(session_id, Switch()).state.version == 3
    outcomes, missing = clock.run(service.get_many([*ids, uuid4()], SYSTEM))
    assert [outcome.state.session_id for outcome in outcomes] == ids
    assert len(missing) == 1
    clock.now_ms += 60_000
    due = [send_blocking(store.due(shard, 100)) for shard in keys.all_shards()]
    assert sum(len(shard.overdue) for shard in due) == 0  # their deadlines lie in the clock's future
    assert clock.run(recover(ids[0], SYSTEM, 2, None)).recovered is False


def test_every_master_says_how_it_keeps_its_data(topology):
    facts = store_facts()
    (node,) = facts.nodes.values()
    assert (node.policy, node.has_append_only_file, node.max_bytes) == ("noeviction", True, 0)
    assert node.used_bytes > 0
    assert facts.is_lossy is False
    measured = measure_state_store()
    assert len(measured.status.shards) == 8
    assert (measured.outbox, measured.dead_letters) == (0, 0)


@pytest.mark.django_db
def test_every_shard_is_drained_and_what_is_put_aside_is_sent_again(topology):
    clock = Clock()
    ids = [clock.start() for _ in range(40)]
    for shard in keys.all_shards():
        redis_client.blocking_client().xadd(keys.outbox(shard), {"e": b"\xc1poison"})
    assert drain_all()
    assert SyncEvent.objects.count() == 2 * len(ids)
    assert dead_letters.count_by_state() == {"dead": 8, "refused": 0, "newer": 0}
    assert dead_letters.send_again(list(dead_letters.find(waiting=True))) == 8
    assert measure_state_store().outbox == 8


@pytest.mark.django_db(transaction=True)
def test_a_drain_waits_for_the_entries_of_all_shards(topology):
    clock, stop = Clock(), StopRequest()
    drain = WaitingDrain(stop)
    assert drain.run(0.1)
    thread = threading.Thread(target=lambda: (drain.run(READY_WITHIN_S), connection.close()))
    thread.start()
    try:
        ids = [clock.start() for _ in range(40)]
        wait_until(lambda: SyncEvent.objects.count() == 2 * len(ids), READY_WITHIN_S, "all rows are there")
    finally:
        stop.make()
        thread.join()
    assert measure_state_store().outbox == 0


def test_tickets_are_redeemed_once(topology):
    alice = Principal("alice", is_staff=True, expires_s=2**40)
    for session_id in (uuid4() for _ in range(20)):
        ticket = run_blocking(one_time_tickets.issue(session_id, alice)).value
        assert run_blocking(one_time_tickets.redeem(ticket, session_id)) == alice
        with pytest.raises(Unauthenticated):
            run_blocking(one_time_tickets.redeem(ticket, session_id))


def test_async_callers_are_served_too(topology):
    session_id = Clock().create()

    async def play() -> int:
        try:
            await run_async(service.execute(session_id, Start(), ALICE))
            return (await run_async(service.execute(session_id, Switch(), ALICE))).state.version
        finally:
            await redis_client.close_async_client()

    assert asyncio.run(play()) == 3


def test_addresses_of_every_kind_are_understood():
    sentinel = StoreUrl("redis+sentinel://:secret@a:26379,b:26380/clocks/2")
    assert (sentinel.nodes, sentinel.service, sentinel.db) == ([("a", 26379), ("b", 26380)], "clocks", 2)
    assert sentinel.password == "secret"
    assert channel_layer_hosts("redis+cluster://u:p%40@a:7000,b:7001")[0] == {
        "host": "a",
        "port": 7000,
        "username": "u",
        "password": "p@",
    }
    assert channel_layer_hosts("unix:///run/valkey.sock")[0]["address"] == "unix:///run/valkey.sock"


def test_every_key_of_a_session_lies_in_one_slot(configure):
    configure(shards=16)
    for session_id in (uuid4() for _ in range(50)):
        shard = keys.shard_of(session_id)
        names = [
            keys.state(session_id),
            keys.recent(session_id),
            keys.idempotency(session_id, "alice", "POST /", "k"),
            keys.deadlines(shard),
            keys.set_aside(shard),
            keys.outbox(shard),
        ]
        assert {name[name.index("{") : name.index("}") + 1] for name in names} == {f"{{{shard}}}"}
