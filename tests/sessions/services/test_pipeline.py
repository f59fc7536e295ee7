"""The command pipeline: one round trip on a cached state that is the session's, and never a wrong answer otherwise."""

from __future__ import annotations

from uuid import uuid4

import pytest
from msgspec.structs import replace

from sessions.services import sessions as service
from sessions.services.outcome import Caller, Idempotency
from sessions.services.state_cache import StateCache, state_cache
from sessions.store import store
from synckairos import outbox
from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.principal import Principal
from synckairos.conf import Rate
from synckairos.engine import SyncMode
from synckairos.engine.commands import Complete, Create, Delete, Pause, Resume, RevokeAccess, Seat, Start, Switch
from synckairos.engine.notation import parse
from synckairos.engine.state import Access
from synckairos.engine.units import Status
from synckairos.errors import InvalidStateTransition, RateLimitExceeded, SessionNotFound, Unauthenticated
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from synckairos.redis.scripts import Pipeline, send_blocking
from synckairos.redis.store_clock import store_clock

ALICE = Caller(Principal("alice", is_staff=False, expires_s=2**40), "test")
LOADED_FIRST = ["load", "commit"]


class Process:
    """A web process with its state cache; records the scripts that it runs."""

    def __init__(self) -> None:
        self.cache = StateCache()
        self.asked: list = []
        self.limiter = RateLimiter()

    def do(self, session_id, command, caller=ALICE, sends=1):
        store_clock.probe()  # what is known of it grows stale in five seconds
        self.asked, self.limiter = [], RateLimiter()
        return run_blocking(
            self._noted(service.execute(session_id, command, caller, limiter=self.limiter, cache=self.cache), sends)
        )

    def _noted(self, steps, sends):
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as end:
                return end.value
            last = call.calls[-1] if isinstance(call, Pipeline) else call  # beside a limit's count
            for _ in range(sends):
                self.asked.append(last.script.name)
                reply = yield call


@pytest.fixture
def here():
    store_clock.probe()
    return Process()


@pytest.fixture
def elsewhere():
    return Process()


@pytest.fixture
def session_id(here):
    """A running session that the process has started."""
    seats = (Seat(uuid4(), 60_000), Seat(uuid4(), 60_000))
    made = run_blocking(service.create(Create.of(SyncMode.PER_PARTICIPANT, seats, access=Access("alice")), None, ALICE))
    here.do(made.state.session_id, Start())
    assert here.asked == LOADED_FIRST
    return made.state.session_id


def stored(session_id):
    return send_blocking(store.load(session_id)).state


def entries():
    return [outbox.decode(fields[outbox.FIELD]) for _, fields in redis_client.blocking_client().xrange(keys.outbox(0))]


def test_a_command_after_another_one_takes_one_round_trip(here, session_id):
    for number in range(3, 6):
        outcome = here.do(session_id, Switch())
        assert here.asked == ["commit"]
        assert outcome.state == stored(session_id)
        assert outcome.state.version == number
    assert [(entry.since_version, entry.version) for entry in entries()] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]


def test_a_commit_of_another_process_counts(here, elsewhere, session_id):
    elsewhere.do(session_id, Pause())
    with pytest.raises(InvalidStateTransition):
        here.do(session_id, Switch())
    assert here.asked == ["commit"]  # lost, and refused on how it really stands
    elsewhere.do(session_id, Resume())
    outcome = here.do(session_id, Switch())
    assert here.asked == ["commit", "commit"]
    assert outcome.state == stored(session_id)
    assert [entry.version for entry in entries()] == [1, 2, 3, 4, 5]


def test_a_process_that_shares_a_session_with_another_one_loads_it_as_long_as_it_does(here, elsewhere, session_id):
    asked = []
    for process in (elsewhere, here, elsewhere, here, elsewhere, here, here, here):
        process.do(session_id, Switch())
        asked.append(process.asked)
    # The first cached state of each is stale; then both load, until one of them is alone again.
    missed = ["commit", "commit"]
    assert asked == [LOADED_FIRST, missed, missed, LOADED_FIRST, LOADED_FIRST, LOADED_FIRST, LOADED_FIRST, ["commit"]]
    assert stored(session_id).version == 10


def test_a_commit_whose_reply_was_lost_counts_for_no_limit_twice(here, session_id, configure):
    """The last request that the limit allows, sent again by the connection: it is in, and is not refused."""
    configure(rate_general=Rate(1, 3_600_000), rate_switch=Rate(1, 3_600_000))
    outcome = here.do(session_id, Switch(), sends=2)
    assert here.asked == ["commit", "commit"]
    assert outcome.state == stored(session_id)
    assert outcome.state.version == 3
    with pytest.raises(RateLimitExceeded):
        here.do(session_id, Switch())


def test_a_key_that_was_used_in_a_session_before_is_as_good_as_new_in_one_round_trip(here, session_id):
    keyed = replace(ALICE, idempotency=Idempotency("k", "switch", b"f" * 16))
    old = here.do(session_id, Switch(), keyed)
    here.do(session_id, Delete())
    seats = (Seat(uuid4(), 60_000), Seat(uuid4(), 60_000))
    run_blocking(service.create(Create.of(SyncMode.PER_PARTICIPANT, seats, access=Access("alice")), session_id, ALICE))
    here.do(session_id, Start())
    outcome = here.do(session_id, Switch(), keyed)
    assert (here.asked, outcome.replayed, outcome.state) == (["commit"], False, stored(session_id))
    assert outcome.state.epoch != old.state.epoch
    again = here.do(session_id, Switch(), keyed)
    assert (again.replayed, again.state) == (True, outcome.state)


def test_nothing_is_refused_on_a_cached_state(here, elsewhere, session_id):
    here.do(session_id, Pause())
    elsewhere.do(session_id, Resume())
    assert here.do(session_id, Switch()).state.version == 5
    assert here.asked == LOADED_FIRST


@pytest.mark.parametrize("off_ms", [60_000, 1_000, -1_000, -60_000])
def test_a_decision_at_an_instant_that_is_not_the_present_is_not_written(here, session_id, monkeypatch, off_ms):
    real_ms = store_clock.now_ms()
    monkeypatch.setattr(store_clock, "lower_bound_ms", lambda: store_clock.now_ms() + off_ms)
    outcome = here.do(session_id, Switch())
    assert here.asked == ["commit", "commit"]
    assert real_ms - 500 < outcome.at_ms < store_clock.now_ms() + 500
    assert stored(session_id).cycle.started_ms == outcome.at_ms


def test_while_the_store_s_clock_is_not_known_commands_load_the_session(here, session_id, monkeypatch):
    monkeypatch.setattr(store_clock, "lower_bound_ms", lambda: None)
    here.do(session_id, Switch())
    assert here.asked == LOADED_FIRST


def test_a_state_of_the_same_version_that_another_commit_led_to_is_another_state(here, session_id):
    """A store that has lost its last moments may come to the same version by another way."""
    client, recent = redis_client.blocking_client(), keys.recent(session_id)
    client.lset(recent, 0, b"otherid!" + client.lindex(recent, 0)[8:])
    here.do(session_id, Switch())
    assert here.asked == ["commit", "commit"]


def test_a_session_that_is_gone_is_gone(here, session_id):
    run_blocking(service.delete(session_id, ALICE))
    with pytest.raises(SessionNotFound):
        here.do(session_id, Switch())
    create = Create.of(SyncMode.PER_PARTICIPANT, (Seat(uuid4(), 1_000),), access=Access("alice"))
    run_blocking(service.create(create, session_id, ALICE))
    with pytest.raises(InvalidStateTransition):
        here.do(session_id, Switch())
    assert here.do(session_id, Start()).state == stored(session_id)


def test_a_token_that_was_revoked_elsewhere_commands_no_more(here, session_id):
    grant = SessionGrant(session_id, stored(session_id).epoch, Role.CONTROLLER, "f" * 32)
    guest = Caller(Principal("guest", is_staff=False, expires_s=2**40, grant=grant), "test")
    here.do(session_id, Switch(), guest)
    assert here.asked == ["commit"]
    run_blocking(service.execute(session_id, RevokeAccess(86_400_000), ALICE))
    before = stored(session_id)
    with pytest.raises(Unauthenticated):
        here.do(session_id, Switch(), guest)
    assert stored(session_id) == before


def test_a_repeated_command_gets_its_first_answer(here, session_id):
    keyed = Caller(ALICE.principal, "test", Idempotency("k", "POST /switch", bytes(16)))
    first = here.do(session_id, Switch(), keyed)
    again = here.do(session_id, Switch(), keyed)
    assert again.replayed
    assert (again.state, again.at_ms) == (first.state, first.at_ms)
    assert here.do(session_id, Switch()).state.version == 4


def test_the_caller_s_limit_is_counted_once_for_each_command(here, elsewhere, session_id, configure):
    configure(rate_general=Rate(4, 3_600_000), rate_switch=Rate(100, 3_600_000))
    left = []
    for process in (here, here, elsewhere, here):  # the third loads, the fourth has a stale one
        process.do(session_id, Switch())
        left.append([status.remaining for status in process.limiter.statuses.values()])
    assert left == [[3, 99], [2, 98], [1, 97], [0, 96]]
    with pytest.raises(RateLimitExceeded):
        here.do(session_id, Pause())
    with pytest.raises(RateLimitExceeded):
        elsewhere.do(session_id, Pause())
    assert stored(session_id).status is Status.RUNNING


def test_a_command_on_a_cached_state_over_the_caller_s_limit_writes_nothing(here, session_id, configure):
    configure(rate_general=Rate(1, 3_600_000))
    here.do(session_id, Switch())
    with pytest.raises(RateLimitExceeded):
        here.do(session_id, Pause())
    assert here.asked == ["commit"]
    assert stored(session_id).status is Status.RUNNING


def test_the_session_s_limit_holds(here, session_id, configure):
    configure(rate_switch=Rate(2, 3_600_000))
    for _ in range(2):
        here.do(session_id, Switch())
    with pytest.raises(RateLimitExceeded):
        here.do(session_id, Switch())
    assert here.asked == ["commit"]
    assert here.do(session_id, Pause()).state.version == 5


def test_without_limits_it_is_the_same(here, session_id, configure):
    configure(rate_general=None, rate_switch=None)
    assert here.do(session_id, Switch()).state.version == 3
    assert (here.asked, here.limiter.statuses) == (["commit"], {})


def test_a_session_that_has_ended_takes_no_more_commands(here, session_id):
    assert here.do(session_id, Complete()).state.status is Status.COMPLETED
    with pytest.raises(InvalidStateTransition):
        here.do(session_id, Switch())
    run_blocking(service.execute(session_id, Delete(), ALICE))
    with pytest.raises(SessionNotFound):
        here.do(session_id, Switch())


def of_another_id(state, **config):
    return replace(state, session_id=uuid4(), config=replace(state.config, **config))


def test_the_cache_keeps_the_sessions_that_were_commanded_most_recently(session_id):
    states = [of_another_id(stored(session_id)) for _ in range(4)]
    cache = StateCache(max_bytes=3 * 2_700)  # three of two players
    for number in (0, 1, 2, 0, 3):
        cache.keep(states[number], b"id")
    assert [cache.get(one.session_id) is not None for one in states] == [True, False, True, True]


def test_metadata_counts_for_the_size_of_a_cached_state(session_id):
    cache = StateCache(max_bytes=100_000)
    plain, laden = of_another_id(stored(session_id)), of_another_id(stored(session_id), metadata={"x": [{}] * 1_300})
    cache.keep(plain, b"id")
    cache.keep(laden, b"id")
    assert cache.get(laden.session_id).size > 80_000
    cache.keep(of_another_id(stored(session_id), metadata={"x": [{}] * 1_300}), b"id")
    assert (cache.get(plain.session_id), cache.get(laden.session_id)) == (None, None)


def test_a_newcomer_s_time_control_counts_for_the_size_of_a_cached_state(session_id):
    cache, before = StateCache(), stored(session_id)
    cache.keep(before, b"id")
    sizes = [cache.get(session_id).size]
    for control in (None, parse("60 5x30 byo-yomi")):
        newcomer = replace(before.participants[0], participant_id=uuid4(), time_control=control)
        seats = (*before.participants, newcomer)
        cache.keep(replace(before, version=before.version + 1, participants=seats), b"id")
        sizes.append(cache.get(session_id).size)
        cache.keep(before, b"id")
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_session_that_has_ended_is_not_cached(here, session_id):
    here.do(session_id, Complete())
    assert here.cache.get(session_id) is None


def test_on_a_cluster_nothing_is_cached(configure):
    assert state_cache() is not None
    configure(redis_url="redis+cluster://localhost:7000")
    assert state_cache() is None
