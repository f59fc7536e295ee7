"""How many sessions an owner may have: counted with the commits that make and end them, exactly, and found again."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from sessions.services import quotas
from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency
from sessions.store import writes
from sessions.timekeeping.idle_reviews import IdleReviews
from sessions.timekeeping.keeper import Timekeeper
from synckairos.auth.principal import SYSTEM, Principal
from synckairos.engine import SyncMode
from synckairos.engine.commands import Cancel, Complete, Create, Delete, Seat, Start
from synckairos.engine.state import Access
from synckairos.errors import SessionLimitExceeded
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from tests import servers
from tests.clocked import ALICE, Clock
from tests.conftest import client_of
from tests.sessions.store.test_store_topologies import cluster  # noqa: F401 - a fixture
from tests.talk import created, game, refused

SKIPS = {"action_on_timeout": {"type": "skip_cycle"}}


@pytest.fixture(params=["one place", "cluster"])
def bounded(request, configure):
    """Three sessions a person, one of them self-running; a service account has more."""
    where = {} if request.param == "one place" else {"redis_url": request.getfixturevalue("cluster"), "shards": 4}
    configure(
        sessions_per_owner=3, self_running_per_owner=1, sessions_per_service=5, self_running_per_service=2, **where
    )
    return request.param


def have(name):
    return redis_client.blocking_client().zcard(name)


def full(kind, limit, **options):
    with pytest.raises(SessionLimitExceeded) as refusal:
        Clock().create(**options)
    assert refusal.value.details == {"kind": kind, "limit": limit}


@pytest.mark.parametrize("end", [Complete, Cancel, Delete])
def test_an_owner_may_have_so_many_sessions_and_an_end_gives_a_place_back(bounded, end):
    ids = [Clock().create() for _ in range(3)]
    full("live", 3)
    Clock().do(ids[0], end())
    Clock().create()
    full("live", 3)
    assert have(keys.live_sessions("alice")) == 3


def test_those_that_switch_by_themselves_have_a_bound_of_their_own(bounded):
    first = Clock().start(**SKIPS)
    full("self_running", 1, auto_advance=True)
    for _ in range(2):
        Clock().create()
    full("live", 3)
    Clock().do(first, Cancel())
    Clock().create(**SKIPS)
    assert (have(keys.live_sessions("alice")), have(keys.self_running_sessions("alice"))) == (3, 1)


def test_a_service_account_has_bounds_of_its_own_and_owners_do_not_share(bounded):
    def create(name, **options):
        caller = Caller(Principal(name, is_staff=False, expires_s=2**40, is_service=name == "games"), "test")
        seats = (Seat(uuid4(), 60_000), Seat(uuid4(), 60_000))
        asked = Create.of(SyncMode.PER_PARTICIPANT, seats, access=Access(name), **options)
        return run_blocking(service.create(asked, None, caller))

    for _ in range(5):
        create("games")
    with pytest.raises(SessionLimitExceeded):
        create("games")
    for _ in range(3):
        create("bob")


@pytest.mark.parametrize("who", ["reader", "timekeeper"])
def test_what_ends_by_itself_gives_its_place_back_too(bounded, who):
    clock = Clock(int(time.time() * 1000) - 120_000)
    session_id = clock.start(action_on_timeout={"type": "end_session"})
    assert have(keys.live_sessions("alice")) == 1
    if who == "reader":
        run_blocking(service.get(session_id, SYSTEM))
    else:
        kept(Timekeeper().apply_shard, session_id)
    assert have(keys.live_sessions("alice")) == 0


def test_what_is_let_go_gives_its_place_back_too(bounded):
    session_id = Clock(int(time.time() * 1000) - 31 * 86_400_000).create()
    assert have(keys.live_sessions("alice")) == 1
    kept(IdleReviews().review_if_due, session_id)
    assert have(keys.live_sessions("alice")) == 0


def kept(serve, session_id):
    """One look of the timekeeper at the session's shard."""

    async def main():
        await serve(keys.shard_of(session_id))
        await redis_client.close_async_client()

    asyncio.run(main())


def test_a_refused_and_a_repeated_creation_take_no_place(bounded):
    key = Caller(ALICE.principal, "test", Idempotency("k", "POST /v1/sessions", b"f"))
    body = Create.of(SyncMode.COUNT_UP, access=Access("alice"))
    first = run_blocking(service.create(body, None, key))
    assert run_blocking(service.create(body, None, key)).replayed
    with pytest.raises(Exception, match="already exists"):
        run_blocking(service.create(body, first.state.session_id, ALICE))
    assert have(keys.live_sessions("alice")) == 1
    for _ in range(2):
        Clock().create()
    assert run_blocking(
        service.create(body, None, key)
    ).replayed  # a repeat is answered though there is no place any more
    full("live", 3)


def test_a_session_made_anew_under_its_id_keeps_its_place_when_the_one_before_gives_back_its_own_late(bounded):
    session_id = Clock().create()
    before = run_blocking(service.get(session_id, SYSTEM)).state
    Clock().do(session_id, Delete())
    run_blocking(service.create(Create.of(SyncMode.COUNT_UP, access=Access("alice")), session_id, ALICE))
    client = redis_client.blocking_client()
    client.zrem(keys.live_sessions("alice"), f"{session_id}{before.epoch}")
    assert have(keys.live_sessions("alice")) == 1


def test_what_the_store_has_forgotten_and_what_has_ended_unseen_is_found_when_a_place_is_needed(bounded, monkeypatch):
    monkeypatch.setattr(quotas, "CHECK_AFTER_MS", -60_000)
    forgotten, ended, lives = (Clock().create() for _ in range(3))
    full("live", 3)
    client = redis_client.blocking_client()
    client.delete(keys.state(forgotten))
    client.pexpire(keys.state(ended), 60_000)
    Clock().create()
    Clock().create()
    full("live", 3)
    assert client.exists(keys.state(lives))


def test_both_bounds_may_hold_what_the_store_has_forgotten_and_whoever_is_refused_hears_of_the_one_that_is_full(
    bounded, monkeypatch
):
    monkeypatch.setattr(quotas, "CHECK_AFTER_MS", -60_000)
    for session_id in (Clock().create(**SKIPS), Clock().create(), Clock().create()):
        redis_client.blocking_client().delete(keys.state(session_id))
    first = Clock().create(**SKIPS)
    for _ in range(2):
        Clock().create()
    redis_client.blocking_client().delete(keys.state(first))
    Clock().create()  # in the place of the first, which has its place among the self-running still
    full("live", 3, **SKIPS)


def test_a_place_that_was_taken_a_moment_ago_is_not_looked_at(bounded):
    """Its creation may be on its way."""
    session_id, *_ = [Clock().create() for _ in range(3)]
    redis_client.blocking_client().delete(keys.state(session_id))
    full("live", 3)


def test_a_switch_and_a_start_ask_for_no_place(configure, monkeypatch):
    configure(sessions_per_owner=1, self_running_per_owner=1)
    session_id = Clock().create(**SKIPS)
    seen = []
    commit = writes.commit
    monkeypatch.setattr(writes, "commit", lambda write, **more: seen.append(write.places) or commit(write, **more))
    Clock().do(session_id, Start())
    assert seen == [None]


def test_both_doors_of_two_processes_say_the_same_and_let_in_exactly_so_many(token):
    bounds = {"SYNCKAIROS_SESSIONS_PER_OWNER": "7", "SYNCKAIROS_SELF_RUNNING_PER_OWNER": "2"}
    both = [servers.web(**bounds) for _ in range(2)]
    try:
        with client_of(both[0].wait_ready(), token) as one, client_of(both[1].wait_ready(), token) as other:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda api: api.post("/v1/sessions", json=game()), [one, other] * 12))
            assert sorted(answer.status_code for answer in answers) == [201] * 7 + [409] * 17
            for options in ({}, {"headers": {"If-None-Match": '"v1"'}}):  # the second is not for the hot door
                error = refused(one.post("/v1/sessions", json=game(), **options), 409, "SESSION_LIMIT_EXCEEDED")
                assert error["details"] == {"kind": "live", "limit": 7}
            mine = next(answer for answer in answers if answer.status_code == 201).json()["data"]["session_id"]
            assert other.post(f"/v1/sessions/{mine}/complete").status_code == 200
            created(one, game(auto_advance=True))
    finally:
        for web in both:
            web.stop()
