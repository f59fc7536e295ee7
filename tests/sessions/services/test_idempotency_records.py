"""Answers that are kept for repeats: large ones are packed, and each person may have so many bytes of them."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from sessions.presentation import to_json
from sessions.requests.bodies import SessionTokenRequest
from sessions.services import idempotency_records, session_tokens
from sessions.services import sessions as service
from sessions.services.idempotency_records import REPORT_BYTES, RecordUsage
from sessions.services.outcome import Caller, Idempotency
from sessions.services.state_cache import StateCache
from sessions.store import codec
from synckairos import stored_state
from synckairos.auth.grants import Role, SessionGrant
from synckairos.auth.principal import Principal
from synckairos.engine import SyncMode
from synckairos.engine.commands import Create, Delete, Pause, Resume, Seat, Start, Switch
from synckairos.engine.state import Access
from synckairos.errors import IdempotencyKeyReused, RateLimitExceeded
from synckairos.ratelimit.limits import RateLimiter
from synckairos.redis import client as redis_client
from synckairos.redis import keys
from synckairos.redis.procedures import run_blocking
from synckairos.redis.scripts import Pipeline
from synckairos.redis.store_clock import store_clock

DAY_MS = 86_400_000
LARGE = 1_000
SMALL = 2


@pytest.fixture(autouse=True)
def books(monkeypatch):
    """The books of a process that has just started; a second one is another process."""
    store_clock.add_sample(time.monotonic(), time.time() - 0.001, time.monotonic())
    monkeypatch.setattr(idempotency_records, "usage", RecordUsage())

    def another():
        monkeypatch.setattr(idempotency_records, "usage", RecordUsage())

    return another


def caller(key, who="alice", kept_ms=None, **principal):
    given = None if key is None else Idempotency(key, "POST", b"f" * 16, kept_ms)
    return Caller(Principal(who, is_staff=False, expires_s=2**40, **principal), "test", given)


def made(seats, who="alice", key=None):
    asked = tuple(Seat(uuid4(), 60_000, user_id=f"idp:{uuid4()}@players.example") for _ in range(seats))
    command = Create.of(SyncMode.PER_PARTICIPANT, asked, access=Access(who))
    return run_blocking(service.create(command, None, caller(key, who))).state.session_id


def kept_bytes():
    """Of all answers in the store."""
    client = redis_client.blocking_client()
    return sum(client.strlen(name) for name in client.scan_iter("sk:*:i:*"))


def play(session_id, command, key, **who):
    return run_blocking(service.execute(session_id, command, caller(key, **who)))


def spend(session_id, most=200, **who):
    """Commands under new keys until they are refused; gives the refusal and how many passed."""
    for number in range(most):
        try:
            play(session_id, Switch(), uuid4().hex, **who)
        except RateLimitExceeded as refusal:
            return refusal, number
    raise AssertionError("never refused")


@pytest.mark.parametrize("seats", [SMALL, LARGE])
@pytest.mark.parametrize("door", ["loading", "at once"])
def test_the_first_answer_comes_back_to_the_letter_though_it_was_packed(seats, door):
    session_id = made(seats)
    cache = StateCache()

    def do(command, key=None):
        if door == "loading":
            return play(session_id, command, key)
        return run_blocking(service.execute(session_id, command, caller(key), limiter=RateLimiter(), cache=cache))

    do(Start())
    first = do(Switch(), "k")
    for command in (Pause(), Resume(), Switch()):
        do(command)
    again = do(Switch(), "k")
    assert (again.replayed, again.state.version) == (True, first.state.version)
    assert to_json(again.shown) == to_json(first.shown)
    other = Caller(caller("k").principal, "test", Idempotency("k", "POST", b"g" * 16))
    with pytest.raises(IdempotencyKeyReused):
        run_blocking(service.execute(session_id, Switch(), other))
    assert play(session_id, Pause(), None).state.version == first.state.version + 4


def test_a_packed_answer_speaks_for_one_life_of_a_session_only():
    session_id = made(LARGE)
    play(session_id, Start(), "k")
    play(session_id, Delete(), None)
    seats = tuple(Seat(uuid4(), 60_000) for _ in range(LARGE))
    create = Create.of(SyncMode.PER_PARTICIPANT, seats, access=Access("alice"))
    run_blocking(service.create(create, session_id, caller(None)))
    again = play(session_id, Start(), "k")
    assert (again.replayed, again.state.version) == (False, 2)


def test_a_large_answer_is_kept_packed_and_a_small_one_as_it_is():
    for seats in (SMALL, LARGE):
        session_id = made(seats)
        play(session_id, Start(), "k")
        state = redis_client.blocking_client().strlen(keys.state(session_id))
        name = keys.idempotency(session_id, "alice", "POST", "k")
        record = redis_client.blocking_client().get(name)
        assert record[:1] == (b"\x95" if seats == SMALL else b"\x93")
        assert len(record) < (state + 60 if seats == SMALL else 0.65 * state)
        assert codec.decode_answer(record).state.version == 2
    with pytest.raises(stored_state.Unreadable):
        codec.decode_answer(record[:-9])


def test_whoever_has_too_many_bytes_kept_is_refused_before_the_work_and_only_under_keys(configure):
    configure(record_bytes_per_person=300_000)
    session_id = made(LARGE)
    play(session_id, Start(), "first")
    refusal, _ = spend(session_id)
    assert 300_000 < kept_bytes() < 300_000 + 2 * REPORT_BYTES
    assert 86_400 < refusal.retry_after_seconds <= 90_001
    version = play(session_id, Switch(), None).state.version  # without a key it goes on
    assert play(session_id, Start(), "first").replayed  # and what was answered is answered again
    assert play(session_id, Pause(), None).state.version == version + 1
    with pytest.raises(RateLimitExceeded):
        made(SMALL, key="another")
    made(SMALL, "bob", key="bob has his own")


def test_a_repeat_at_the_hot_door_is_answered_though_there_are_too_many(configure):
    configure(record_bytes_per_person=1)
    session_id, cache = made(LARGE), StateCache()

    def do(command, key):
        return run_blocking(service.execute(session_id, command, caller(key), limiter=RateLimiter(), cache=cache))

    do(Start(), "first")
    for number in range(9):
        if idempotency_records.usage.seconds_over("alice"):
            break
        do(Switch(), str(number))
    with pytest.raises(RateLimitExceeded):
        do(Switch(), "one more")
    assert do(Start(), "first").replayed
    assert not do(Switch(), None).replayed


def test_processes_count_together(configure, books):
    configure(record_bytes_per_person=300_000)
    session_id = made(LARGE)
    play(session_id, Start(), None)
    _, first = spend(session_id)
    books()
    _, second = spend(session_id)
    assert second <= REPORT_BYTES // (kept_bytes() // (first + second)) + 1


def test_what_is_kept_for_ten_minutes_counts_for_as_much_less(configure):
    configure(record_bytes_per_person=10**9)
    usage = idempotency_records.usage
    session_id = made(SMALL)
    run_blocking(service.execute(session_id, Start(), caller(None)))
    play(session_id, Pause(), "a", kept_ms=DAY_MS // 144)
    ten_minutes = usage._unreported["alice"]
    play(session_id, Resume(), "b")
    day = usage._unreported["alice"] - ten_minutes
    assert ten_minutes == pytest.approx(day / 144, rel=0.1)


def test_a_small_answer_asks_the_store_nothing(configure):
    configure(record_bytes_per_person=10**9)
    session_id, cache = made(SMALL), StateCache()
    asked = []

    def noted(steps):
        reply = None
        while True:
            try:
                call = steps.send(reply)
            except StopIteration as end:
                return end.value
            asked.append([one.script.name for one in (call.calls if isinstance(call, Pipeline) else (call,))])
            reply = yield call

    for number in range(5):
        command = Switch() if number else Start()
        run_blocking(
            noted(service.execute(session_id, command, caller(str(number)), limiter=RateLimiter(), cache=cache))
        )
    assert asked[-4:] == [["commit"]] * 4


def test_what_was_kept_a_day_ago_is_gone_and_counts_no_more(configure):
    configure(record_bytes_per_person=1)
    hour = int(time.time()) // 3600
    payer = idempotency_records.RecordOwner("alice", 100)
    redis_client.blocking_client().hset(keys.record_bytes("alice"), mapping={str(hour - 25): 10**9, str(hour - 20): 60})
    run_blocking(idempotency_records.charge_bytes(REPORT_BYTES, DAY_MS, payer))
    over_s = idempotency_records.usage.seconds_over("alice")
    assert (hour + 25) * 3600 - time.time() == pytest.approx(over_s, abs=90)
    assert redis_client.blocking_client().hkeys(keys.record_bytes("alice")) == [
        str(hour - 20).encode(),
        str(hour).encode(),
    ]
    idempotency_records.usage.set_over("alice", 0)
    assert not idempotency_records.usage.seconds_over("alice")


def test_bearers_of_session_tokens_share_what_their_session_may_have(configure):
    configure(record_bytes_per_person=100_000)
    session_id = made(LARGE)
    state = play(session_id, Start(), None).state
    grants = [SessionGrant(session_id, state.epoch, Role.CONTROLLER, f"{n:032x}", 0, None) for n in range(9)]
    for grant in grants:
        if not idempotency_records.usage.seconds_over(f"session {session_id}"):
            play(session_id, Switch(), "k", who=f"session-token:{grant.token_id}", grant=grant)
    with pytest.raises(RateLimitExceeded):
        play(session_id, Switch(), "new", who=f"session-token:{grant.token_id}", grant=grant)
    play(session_id, Switch(), "mine")


def test_session_tokens_given_under_keys_count_too(configure):
    configure(record_bytes_per_person=10**9)
    session_id = made(SMALL)
    run_blocking(session_tokens.issue(session_id, caller("k"), SessionTokenRequest(role=Role.VIEWER)))
    once = idempotency_records.usage._unreported["alice"]
    assert once > 200
    run_blocking(session_tokens.issue(session_id, caller("k"), SessionTokenRequest(role=Role.VIEWER)))
    assert idempotency_records.usage._unreported["alice"] == once


def test_a_service_account_has_a_bound_of_its_own_if_any(configure):
    configure(record_bytes_per_person=1, record_bytes_per_service=None)
    session_id = made(LARGE, "games")
    play(session_id, Start(), None, who="games")
    for number in range(9):
        play(session_id, Switch(), str(number), who="games", is_service=True)


def test_a_process_remembers_so_many_people_and_no_more(monkeypatch):
    monkeypatch.setattr(idempotency_records, "_MAX_OWNERS", 3)
    usage = RecordUsage()
    for number in range(9):
        usage.add(str(number), 1)
        usage.set_over(str(number), 60)
    assert (len(usage._unreported), len(usage._over_until_s)) == (3, 3)
